/** A case: one requirement of an RFC, and what shows that it is kept; with the two commonest proofs. */
import { deepStrictEqual as equal } from "node:assert";
import type { Answer, Fields, Reply, Script, World } from "../../support/http-cache.ts";

/**
 * The requirement's own word. `ought`: the RFC advises in lower case. `API`: the RFC leaves it open,
 * and the kit promises it.
 */
export type Level = "MUST" | "MUST NOT" | "SHOULD" | "SHOULD NOT" | "MAY" | "ought" | "API";

/** Options of `cache()` beside `ttl: 'origin'`. */
export interface CaseOptions {
  stale?: string;
  staleIfError?: string;
  query?: "all";
}

/** One requirement. */
export interface Case {
  /** As in `RFC 9111 §4.2.1`. */
  readonly section: string;
  readonly level: Level;
  /** What holds; unique. */
  readonly name: string;
  readonly options?: CaseOptions;
  /** Also shown over real Redis. */
  readonly isCore?: boolean;
  /** Why the kit does otherwise; such a case has to fail. */
  readonly deviation?: string;
  readonly run: (world: World) => Promise<void>;
}

/** Some cases of one section and level: `[name, run]`. */
export function cases(
  section: string,
  level: Level,
  runs: Readonly<Record<string, Case["run"]>>,
  more: Pick<Case, "options" | "isCore" | "deviation"> = {},
): Case[] {
  return Object.entries(runs).map(([name, run]) => ({ section, level, name, run, ...more }));
}

/** An answer, or one that needs the clock. */
export type Said = Answer | ((world: World) => Answer);

/** An answer with this Cache-Control, and what else it has. */
export function cc(cacheControl: string | string[], fields: Fields = {}, status = 200): Answer {
  return { status, fields: { "Cache-Control": cacheControl, ...fields } };
}

/** How the second request differs. */
export interface Again {
  /** Seconds between the two. Default: 0. */
  readonly after?: number;
  readonly first?: Fields;
  readonly second?: Fields;
  /** The method of the second. Default: GET. */
  readonly method?: string;
}

async function twice(
  world: World,
  said: Said,
  { after = 0, first = {}, second: other = first, method = "GET" }: Again,
): Promise<[Reply, Reply]> {
  world.answers(typeof said === "function" ? said(world) : said);
  const one = await world.ask(first);
  if (after > 0) world.pass(after);
  return [one, await world.ask(other, { method })];
}

/** The second request gets what the first got, and the handler hears nothing of it. */
export function reuses(said: Said, again: Again = {}): Case["run"] {
  return async (world) => {
    const [one, two] = await twice(world, said, again);
    equal(one.isForwarded, true);
    equal([two.isForwarded, two.status, two.body], [false, one.status, one.body]);
  };
}

/** The second request reaches the handler, and gets what it says. */
export function forwards(said: Said, again: Again = {}): Case["run"] {
  return async (world) => {
    const [one, two] = await twice(world, said, again);
    equal(one.isForwarded, true);
    equal(
      [two.isForwarded, two.status, two.body],
      [true, one.status, one.body.replace("#1", "#2")],
    );
  };
}

/** The second reply, with the first before it, for claims on fields. */
export function second(
  said: Said,
  again: Again,
  claim: (two: Reply, one: Reply, world: World) => unknown,
): Case["run"] {
  return async (world) => {
    const [one, two] = await twice(world, said, again);
    await claim(two, one, world);
  };
}

/** A second reply out of the store, for claims on fields. */
export function hit(
  said: Said,
  again: Again,
  claim: (two: Reply, one: Reply, world: World) => unknown,
): Case["run"] {
  return second(said, again, async (two, one, world) => {
    equal(two.isForwarded, false);
    await claim(two, one, world);
  });
}

/** Stores an answer, lets it get so old, and asks again, of a handler that then says something else. */
export async function later(
  world: World,
  first: Answer,
  seconds: number,
  then: Script | readonly Script[] = {},
  request: Fields = {},
): Promise<Reply> {
  world.answers(first, ...[then].flat());
  await world.ask();
  world.pass(seconds);
  return world.ask(request);
}

/** One case for each of some values. */
export function forEach<T>(
  values: readonly T[],
  title: (value: T) => string,
  run: (value: T) => Case["run"],
): Record<string, Case["run"]> {
  return Object.fromEntries(values.map((value) => [title(value), run(value)]));
}

/** One case for each of some spellings. */
export function each(
  prefix: string,
  spellings: readonly string[],
  run: (spelling: string) => Case["run"],
): Record<string, Case["run"]> {
  return forEach(spellings, (spelling) => `${prefix}: ${spelling}`, run);
}
