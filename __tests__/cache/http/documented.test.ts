/** `docs/http-caching.md` lists the cases as they are; `UPDATE_DOCS=1` writes them there. */
import { expect, it } from "@jest/globals";
import { readFileSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { casesIn, documentationOf, linesOf, withCases } from "../../support/documented-cases.ts";
import { TOPICS } from "./all.ts";

const FILE = resolve(__dirname, "../../../docs/http-caching.md");

const HOW = "docs/http-caching.md differs from the cases; write them there with UPDATE_DOCS=1";

it("the documentation lists all cases, and no others", () => {
  const cases = documentationOf(TOPICS);
  if (process.env["UPDATE_DOCS"] === "1") {
    writeFileSync(FILE, withCases(readFileSync(FILE, "utf8"), cases));
  }
  const documented = linesOf(casesIn(readFileSync(FILE, "utf8")));
  const lines = linesOf(cases);
  const missing = lines.filter((line) => !documented.includes(line));
  const extra = documented.filter((line) => !lines.includes(line));
  expect({ [HOW]: { missing, extra } }).toEqual({ [HOW]: { missing: [], extra: [] } });
  expect(documented).toEqual(lines);
});
