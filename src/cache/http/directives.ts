/** Cache-Control, read as RFC 9111, section 5.2 writes it. */

/** Directives by lower-case name; an argument, or nothing. */
export type Directives = ReadonlyMap<string, string | undefined>;

const NONE: Directives = new Map();

/** What stands between commas; in a quoted string, a comma is no end. */
const PART = /(?:"(?:[^"\\]|\\.)*"?|[^,"])+/g;
/** Of a part without space around it; space within a name is no directive's. */
const DIRECTIVE = /^([^\s=]+)(?:\s*=(.*))?$/s;

/** Reads a field; of a directive that is there twice, the first counts (section 4.2.1). */
export function directivesOf(value: number | string | readonly string[] | undefined): Directives {
  if (value === undefined) return NONE;
  const found = new Map<string, string | undefined>();
  for (const [part] of [value].flat().join(",").matchAll(PART)) {
    const [, name, argument] = DIRECTIVE.exec(part.trim()) ?? [];
    const key = name?.toLowerCase();
    if (key !== undefined && !found.has(key)) found.set(key, argument && unquoted(argument.trim()));
  }
  return found;
}

/** Section 5.2: an argument may be a token or a quoted string, whichever was asked for. */
function unquoted(argument: string): string {
  const [, text] = /^"((?:[^"\\]|\\.)*)"$/s.exec(argument) ?? [];
  return text === undefined ? argument : text.replace(/\\(.)/g, "$1");
}

/** Section 1.2.2: what is too large to be told stands for this. */
const LONGEST = 2 ** 31;

/** Seconds; undefined for what is no delta-seconds. */
export function secondsOf(argument: string | undefined): number | undefined {
  return argument !== undefined && /^\d+$/.test(argument)
    ? Math.min(Number(argument), LONGEST)
    : undefined;
}

/** What a request asks of a cache (section 5.2.1). Times are milliseconds. */
export interface Demands {
  readonly noStore: boolean;
  readonly noCache: boolean;
  readonly onlyIfCached: boolean;
  readonly maxAge: number | undefined;
  readonly minFresh: number | undefined;
  /** `Infinity` where it has no argument. */
  readonly maxStale: number | undefined;
}

/** Reads a request's Cache-Control, and Pragma where there is none (section 5.4). */
export function demandsOf(headers: Readonly<Record<string, unknown>>): Demands | undefined {
  const field = headers["cache-control"] as string | undefined;
  const pragma = headers["pragma"] as string | undefined;
  if (field === undefined && pragma === undefined) return undefined;
  const directives = directivesOf(field ?? pragma);
  const milliseconds = (name: string): number | undefined => {
    if (!directives.has(name)) return undefined;
    const seconds = secondsOf(directives.get(name));
    return seconds === undefined ? undefined : seconds * 1000;
  };
  const maxStale = directives.has("max-stale") && directives.get("max-stale") === undefined;
  return {
    noStore: directives.has("no-store"),
    noCache: directives.has("no-cache"),
    onlyIfCached: directives.has("only-if-cached"),
    maxAge: milliseconds("max-age"),
    minFresh: milliseconds("min-fresh"),
    maxStale: maxStale ? Number.POSITIVE_INFINITY : milliseconds("max-stale"),
  };
}
