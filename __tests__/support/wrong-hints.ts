/**
 * A setup file for whole suites: `HINTS=wrong` answers for every hint another one's, `HINTS=evicted` forgets
 * half of them. Every question is asked ahead, too, as if a middleware had come before. Nothing but the
 * number of commands and waits may differ.
 */
import { Hints } from "../../src/prefetch/hints.ts";
import { type Early, type Need, type NeedPlan, Prefetch } from "../../src/prefetch/prefetch.ts";

type Value = object | string | true;

/** What each memory was told. */
const told = new WeakMap<object, Map<string, Value>>();

function toldTo(hints: object): Map<string, Value> {
  const values = told.get(hints) ?? new Map<string, Value>();
  told.set(hints, values);
  return values;
}

/** Another key's value; where there is no other, one that is nobody's. */
function anothers(hints: object, key: string): Value | undefined {
  const values = toldTo(hints);
  const own = values.get(key);
  const others = [...values].filter(([other, value]) => other !== key && value !== own);
  if (others.length > 0) return others[Math.floor(Math.random() * others.length)]![1];
  if (own === true) return undefined;
  return typeof own === "string" ? `${own}-not` : Array.isArray(own) ? [] : undefined;
}

type Get = (this: Hints<Value>, key: string) => Value | undefined;
type Set = (this: Hints<Value>, key: string, value: Value) => void;
type MakeNeed = (this: Prefetch, plan: unknown) => Need<Early>;

const get = Reflect.get(Hints.prototype, "get") as Get;
const set = Reflect.get(Hints.prototype, "set") as Set;
const need = Reflect.get(Prefetch.prototype, "need") as MakeNeed;

Hints.prototype.set = function remember(this: Hints<Value>, key: string, value: never): void {
  toldTo(this).set(key, value);
  set.call(this, key, value);
};

Hints.prototype.get = function recall(this: Hints<Value>, key: string): never {
  const answer =
    process.env["HINTS"] === "wrong"
      ? anothers(this, key)
      : Math.random() < 0.5
        ? get.call(this, key)
        : undefined;
  return answer as never;
};

Prefetch.prototype.need = function askedAhead<Answer extends Early>(
  this: Prefetch,
  plan: NeedPlan<Answer>,
): Need<Answer> {
  const real = need.call(this, plan) as Need<Answer>;
  return {
    pass: (request) => real.pass(request),
    take: (request, response, key) =>
      real.take(request, response, key) ?? plan.ask(request, () => false, true),
  };
};
