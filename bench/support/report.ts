/** What a benchmark found: tables and goals, printed as text or as JSON. */

/** A table; a cell of a number is printed with as many digits as matter. */
export interface Table {
  readonly title: string;
  readonly rows: readonly Readonly<Record<string, string | number>>[];
}

/** What was hoped for, and whether it came true. */
export interface Goal {
  readonly text: string;
  readonly met: boolean;
}

/** All that one run found. */
export interface Report {
  readonly tables: readonly Table[];
  readonly goals: readonly Goal[];
  /** Further figures, for programs. */
  readonly data?: unknown;
}

/** A cell as text, with as many digits as matter. */
export function cell(value: string | number | undefined): string {
  if (typeof value !== "number") return value ?? "";
  if (!Number.isFinite(value)) return Number.isNaN(value) ? "–" : "never";
  if (Math.abs(value) >= 100 || Number.isInteger(value))
    return Math.round(value).toLocaleString("en");
  return value.toFixed(Math.abs(value) < 10 ? 2 : 1);
}

function printTable({ title, rows }: Table): string {
  const names = Object.keys(rows[0] ?? {});
  const lines = [names, ...rows.map((row) => names.map((name) => cell(row[name])))];
  const widths = names.map((_, column) => Math.max(...lines.map((line) => line[column]!.length)));
  const isText = names.map((name) => typeof rows[0]?.[name] === "string");
  const print = (line: readonly string[]): string =>
    line
      .map((text, column) =>
        isText[column] ? text.padEnd(widths[column]!) : text.padStart(widths[column]!),
      )
      .join("  ")
      .trimEnd();
  return [`\n${title}`, ...lines.map(print)].join("\n");
}

/** Milliseconds as text; `bound` is how long was waited for what never came. */
export function printMs(ms: number, bound: number = Infinity): string {
  if (Number.isNaN(ms)) return "–";
  return ms > bound ? `none in ${bound} ms` : `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`;
}

/** Prints a report to standard output. */
export function printReport(report: Report, asJson: boolean): void {
  const text = asJson
    ? JSON.stringify(report, null, 2)
    : [
        ...report.tables.map(printTable),
        "",
        ...report.goals.map(({ text: goal, met }) => `${met ? "met   " : "MISSED"}  ${goal}`),
      ].join("\n");
  process.stdout.write(`${text}\n`);
}
