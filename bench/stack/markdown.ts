/** A report as the page `bench/results.md`. */
import { cell, type Table } from "../support/report.ts";
import type { Machine } from "./machine.ts";
import type { StackReport } from "./results.ts";

/** Rows of cells as a table whose columns are as wide as their widest cell, as the formatter leaves it. */
function markdownTable(lines: readonly (readonly string[])[], isText: readonly boolean[]): string {
  const widths = isText.map((_, column) =>
    Math.max(3, ...lines.map((line) => line[column]!.length)),
  );
  const print = (line: readonly string[]): string =>
    `| ${line
      .map((text, column) =>
        isText[column] ? text.padEnd(widths[column]!) : text.padStart(widths[column]!),
      )
      .join(" | ")} |`;
  const rule = widths.map((width, column) =>
    isText[column] ? "-".repeat(width) : `${"-".repeat(width - 1)}:`,
  );
  return [lines[0]!, rule, ...lines.slice(1)].map(print).join("\n");
}

function section({ title, rows }: Table): string {
  const names = Object.keys(rows[0] ?? {});
  const lines = [names, ...rows.map((row) => names.map((name) => cell(row[name])))];
  return `${title}:\n\n${markdownTable(
    lines,
    names.map((_, column) => column === 0),
  )}`;
}

/** Makes the page. */
export function markdownOf(report: StackReport, machine: Machine): string {
  const { tables, goals, disturbance } = report;
  const facts = Object.entries(machine);
  return `${[
    "# Results of the whole stack",
    "`npm run bench` writes this page. [stack](./stack/README.md) says what is measured and how.",
    markdownTable([["what", "here"], ...facts], [true, true]),
    disturbance,
    ...tables.map(section),
    "## Goals",
    markdownTable(
      [["goal", "result"], ...goals.map(({ text, met }) => [text, met ? "met" : "**missed**"])],
      [true, true],
    ),
  ].join("\n\n")}\n`;
}
