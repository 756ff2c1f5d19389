/** The cases as `docs/http-caching.md` lists them. */
import type { Case } from "../cache/http/case.ts";

const BEGIN = "<!-- cases -->";
const END = "<!-- end of cases -->";

/** Characters that Markdown reads in a row of a table. */
const escaped = (text: string): string => text.replaceAll(/[\\`*_|<>[\]]/g, String.raw`\$&`);

/** Tabs and the ends of lines would break a row; several spaces are one in HTML. */
const visible = (text: string): string => text.replaceAll("\t", "␉").replaceAll(/ {2}| $/g, "␠");

function rowOf({ section, level, name, deviation }: Case): string {
  const result = deviation === undefined ? "yes" : `no: ${deviation}`;
  return `| ${section} | ${level} | ${escaped(visible(name))} | ${escaped(result)} |`;
}

/** A table for each topic, and how many cases there are. */
export function documentationOf(topics: Readonly<Record<string, readonly Case[]>>): string {
  const tables = Object.entries(topics).map(([topic, cases]) =>
    [
      `### ${topic}`,
      "",
      "| section | level | case | kept |",
      "| --- | --- | --- | --- |",
      ...cases.map(rowOf),
    ].join("\n"),
  );
  const all = Object.values(topics).flat();
  const kept = all.filter(({ deviation }) => deviation === undefined).length;
  return [`${all.length} cases, ${kept} of them kept.`, ...tables].join("\n\n");
}

function placeIn(document: string): [number, number] {
  const begin = document.indexOf(BEGIN) + BEGIN.length;
  const end = document.indexOf(END);
  if (begin < BEGIN.length || end < begin) throw new Error(`No '${BEGIN}' and '${END}'.`);
  return [begin, end];
}

/** What the document says of the cases. */
export function casesIn(document: string): string {
  return document.slice(...placeIn(document));
}

/** The document with other cases. */
export function withCases(document: string, cases: string): string {
  const [begin, end] = placeIn(document);
  return `${document.slice(0, begin)}\n\n${cases}\n\n${document.slice(end)}`;
}

/** Lines without what a formatter adds: the padding of a table's cells. */
export function linesOf(text: string): string[] {
  return text
    .split("\n")
    .map((line) => line.trim().replaceAll(/ +\|/g, " |").replaceAll(/-{3,}/g, "---"))
    .filter(Boolean);
}
