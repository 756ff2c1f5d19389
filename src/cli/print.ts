/** The report as a person likes to read it. */
import { plural } from "./figures.ts";
import type { Finding, Level, Report } from "./finding.ts";

/** One column for all four, so that what is wrong stands out at the left. */
const SIGNS: Record<Level, string> = { ok: "ok", note: "note", warning: "WARN", failure: "FAIL" };
const COLOURS: Record<Level, number> = { ok: 32, note: 36, warning: 33, failure: 31 };
const FAINT = 2;

type Paint = (text: string, colour: number) => string;

function linesOf(
  { level, title, detail, why, fix }: Finding,
  width: number,
  paint: Paint,
): string[] {
  const margin = " ".repeat(width + 8);
  const head = `${paint(SIGNS[level].padEnd(4), COLOURS[level])}  ${title.padEnd(width)}  ${detail}`;
  return [
    head,
    ...(why === null ? [] : [`${margin}${paint("why:", FAINT)} ${why}`]),
    ...(fix === null ? [] : [`${margin}${paint("fix:", FAINT)} ${fix}`]),
  ];
}

function titles(report: Report, level: Level, noun: string): string | undefined {
  const found = report.checks.filter((check) => check.level === level);
  if (found.length === 0) return undefined;
  return `${plural(found.length, noun)} (${found.map(({ title }) => title).join(", ")})`;
}

function summary(report: Report, paint: Paint): string {
  const troubles = [titles(report, "failure", "failure"), titles(report, "warning", "warning")];
  const told = troubles.filter((text) => text !== undefined).join(", ");
  if (!report.ok) return paint(`Not healthy: ${told}.`, COLOURS.failure);
  if (told !== "") return paint(`Works: ${told}.`, COLOURS.warning);
  const notes = titles(report, "note", "note");
  const beside = notes === undefined ? "" : `; ${notes}`;
  return paint(
    `Healthy: ${plural(report.checks.length, "check")}, nothing is wrong${beside}.`,
    COLOURS.ok,
  );
}

/**
 * Prints a report: a line a check, under each warning and failure why it matters and what mends it, and
 * a summary at the end, where a terminal stops scrolling.
 */
export function printReport(report: Report, isColoured: boolean): string {
  const paint: Paint = (text, colour) => (isColoured ? `\u001B[${colour}m${text}\u001B[0m` : text);
  const width = Math.max(...report.checks.map(({ title }) => title.length));
  const lines = report.checks.flatMap((check) => linesOf(check, width, paint));
  return `${[...lines, "", summary(report, paint)].join("\n")}\n`;
}
