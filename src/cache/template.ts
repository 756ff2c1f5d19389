/** From `brand:settings` or `brand:[id]:settings` and a route's params to the path of a key. */
import { KitError } from "../errors.ts";
import { idText } from "../id-text.ts";
import { segment, wildcardSegment } from "../keys.ts";
import { show } from "../validate.ts";

/** A route's params as Express gives them; a wildcard's is an array. */
export type Params = Record<string, unknown>;

/** A template, read. */
export interface Template {
  readonly text: string;
  /** Literals, and the names of params in their places. */
  readonly parts: readonly { readonly literal: string; readonly param?: string }[];
  /** Params are named in the template; otherwise all of the route's go after the first segment. */
  readonly isExplicit: boolean;
}

/** What is none of the grammar of keys, globs and templates, and needs no thought in a URL. */
const LITERAL = /^[\w.~+=,-][\w.~+=,@-]*$/;
const PARAM = /^\[([\w$]+)\]$/;

/**
 * Reads a template.
 *
 * @throws KitError `INVALID_CACHE_TEMPLATE`
 */
export function parseTemplate(text: unknown): Template {
  if (typeof text !== "string" || text === "") throw invalidTemplate(text, "it is empty");
  const parts = text.split(":").map((part) => {
    const param = PARAM.exec(part)?.[1];
    if (param !== undefined) return { literal: "", param };
    if (part.startsWith("@"))
      throw invalidTemplate(text, "a segment begins with @, which the kit keeps for variants");
    if (!LITERAL.test(part))
      throw invalidTemplate(text, `the segment ${show(part)} is neither a word nor a [param]`);
    return { literal: segment(part) };
  });
  const names = parts.flatMap(({ param }) => param ?? []);
  if (new Set(names).size < names.length) throw invalidTemplate(text, "a param stands in it twice");
  return Object.freeze({ text, parts: Object.freeze(parts), isExplicit: names.length > 0 });
}

/**
 * Reads a tag: any text, of which what stands between colons is a segment, a `[param]` one to be filled in.
 *
 * @throws KitError `INVALID_CACHE_TEMPLATE`
 */
export function parseTag(text: unknown): Template {
  if (typeof text !== "string" || text === "") throw invalidTemplate(text, "it is empty");
  const parts = text.split(":").map((part) => {
    if (part === "") throw invalidTemplate(text, "a segment is empty");
    const param = PARAM.exec(part)?.[1];
    return param === undefined ? { literal: segment(part) } : { literal: "", param };
  });
  return Object.freeze({ text, parts, isExplicit: true });
}

function invalidTemplate(text: unknown, why: string): KitError {
  return new KitError("INVALID_CACHE_TEMPLATE", {
    message: `The cache template ${show(text)} cannot be used: ${why}.`,
    fix: "Write words and [params] with colons between, such as 'brand:settings' or 'brand:[id]:settings'.",
  });
}

function valueOf(value: unknown): string {
  if (Array.isArray(value)) return wildcardSegment(value.map((part) => idText(part) ?? ""));
  return segment(idText(value) ?? "");
}

const NOTHING_WRONG: { unused: string[]; missing: string[] } = { unused: [], missing: [] };

/** Names in `params` that the template does not use, and names that it uses and `params` lacks. */
export function mismatch(
  template: Template,
  params: Params,
): { unused: string[]; missing: string[] } {
  if (!template.isExplicit) return NOTHING_WRONG;
  const used = template.parts.flatMap(({ param }) => param ?? []);
  return {
    unused: Object.keys(params).filter((name) => !used.includes(name)),
    missing: used.filter((name) => params[name] === undefined),
  };
}

/** The first param that a template names and `params` lacks. */
export function missingParam(template: Template, params: Params): string | undefined {
  return mismatch(template, params).missing[0];
}

/** The path of the key: each param escaped, in its place. */
export function pathOf(template: Template, params: Params): string[] {
  if (template.isExplicit) {
    return template.parts.map(({ literal, param }) =>
      param === undefined ? literal : valueOf(params[param]),
    );
  }
  const [first, ...rest] = template.parts.map(({ literal }) => literal);
  return [first!, ...Object.values(params).map(valueOf), ...rest];
}
