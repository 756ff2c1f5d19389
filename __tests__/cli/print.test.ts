/** The report as a person sees it, and the figures in it. */
import { describe, expect, it } from "@jest/globals";
import { wantsColour } from "../../src/cli/cli.ts";
import { ago, bytes, count, ms, percent, plural } from "../../src/cli/figures.ts";
import {
  cannotTell,
  failure,
  type Finding,
  note,
  ok,
  warning,
  worst,
} from "../../src/cli/finding.ts";
import { printReport } from "../../src/cli/print.ts";

const SUBJECT = { id: "a", title: "a" };
const TROUBLE = { detail: "is broken", why: "because", fix: "mend it" };
const LONG = { id: "long", title: "a longer title" };

function print(isColoured: boolean, ...checks: Finding[]): string {
  return printReport({ ok: checks.every(({ level }) => level !== "failure"), checks }, isColoured);
}

describe("printReport", () => {
  it("aligns what was found, and says under it why it matters and what mends it", () => {
    expect(print(false, ok(SUBJECT, "is well"), failure(LONG, TROUBLE))).toBe(
      [
        "ok    a               is well",
        "FAIL  a longer title  is broken",
        "                      why: because",
        "                      fix: mend it",
        "",
        "Not healthy: 1 failure (a longer title).",
        "",
      ].join("\n"),
    );
  });

  it("sums up what failed and what warns, and praises nothing that warns", () => {
    const two = print(false, failure(LONG, TROUBLE), warning(SUBJECT, TROUBLE));
    expect(two).toContain("Not healthy: 1 failure (a longer title), 1 warning (a).");
    expect(print(false, warning(SUBJECT, TROUBLE), warning(LONG, TROUBLE))).toContain(
      "Works: 2 warnings (a, a longer title).",
    );
    expect(print(false, ok(SUBJECT, "x"))).toContain("Healthy: 1 check, nothing is wrong.");
    expect(print(false, ok(SUBJECT, "x"), note(LONG, "x"))).toContain("; 1 note (a longer title).");
  });

  it("colours for a terminal alone, and not where NO_COLOR forbids it", () => {
    const checks = [ok(SUBJECT, "x"), warning(SUBJECT, TROUBLE), failure(SUBJECT, TROUBLE)];
    // oxlint-disable-next-line no-control-regex -- the colours themselves
    const plain = print(true, ...checks).replaceAll(/\u001B\[\d+m/g, "");
    expect(print(true, ...checks)).toContain("\u001B[31mFAIL\u001B[0m");
    expect(plain).toBe(print(false, ...checks));
    expect(wantsColour(true, {})).toBe(true);
    expect(wantsColour(true, { NO_COLOR: "" })).toBe(true);
    expect(wantsColour(true, { NO_COLOR: "1" })).toBe(false);
    expect(wantsColour(true, { TERM: "dumb" })).toBe(false);
    expect(wantsColour(false, {})).toBe(false);
  });
});

describe("findings", () => {
  it("are ranked: a failure before a warning before a note", () => {
    const all = [ok(SUBJECT, ""), cannotTell(SUBJECT, ""), warning(SUBJECT, TROUBLE)];
    expect(worst(all).level).toBe("warning");
    expect(worst([...all, failure(SUBJECT, TROUBLE)]).level).toBe("failure");
    expect(worst(all.slice(0, 2))).toMatchObject({ level: "note", data: { cannotTell: true } });
  });
});

describe("figures", () => {
  it.each([
    [bytes(0), "0 B"],
    [bytes(1023), "1023 B"],
    [bytes(1536), "1.5 KiB"],
    [bytes(200 * 1024 ** 2), "200 MiB"],
    [bytes(5 * 1024 ** 5), "5120 TiB"],
    [ms(0.04), "0.0 ms"],
    [ms(9.96), "10.0 ms"],
    [ms(250), "250 ms"],
    [ms(90_000), "90.0 s"],
    [count(1_234_567), "1,234,567"],
    [plural(1, "key"), "1 key"],
    [plural(0, "key"), "0 keys"],
    [percent(0), "0 %"],
    [percent(0.001), "<1 %"],
    [percent(0.855), "86 %"],
    [ago(-5), "0 s ago"],
    [ago(119_000), "119 s ago"],
    [ago(120_000), "2 min ago"],
    [ago(3 * 3_600_000), "3 h ago"],
    [ago(3 * 86_400_000), "3 days ago"],
  ])("%s", (printed, expected) => {
    expect(printed).toBe(expected);
  });
});
