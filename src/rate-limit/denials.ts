/**
 * The refusals that this process remembers, so that a flood of requests that are refused anyway costs
 * no Redis commands.
 *
 * A refusal is remembered until a request can be admitted again, but Redis is asked every 10 s at the
 * least, since another process may have reset the key. One request asks then, and the others are
 * refused meanwhile.
 */
import { LRUCache } from "lru-cache";
import { type Context, perKit } from "../context.ts";
import type { Asked, Decision, Quota } from "./algorithms/algorithm.ts";

/** The most identities that are remembered; a forgotten one costs a command. */
const MOST = 50_000;

/** Of one identity whose limits change from request to request. */
const MOST_PER_KEY = 4;

/** How long at most Redis is not asked, in milliseconds. */
const LONGEST = 10_000;

interface Denial {
  /** Undefined for a block, which refuses under any quotas. */
  readonly quotas: readonly Quota[] | undefined;
  /** The smallest cost that was refused. */
  readonly cost: number;
  readonly decision: Decision;
  readonly since: number;
  /** When Redis is asked again. */
  readonly askAt: number;
  /** When a request can be admitted, as far as is known. */
  readonly until: number;
  isBeingAsked: boolean;
}

/** What this process knows to be refused. */
export interface Denials {
  /** The refusal to answer with; undefined where Redis has to be asked. */
  readonly recall: (asked: Asked) => Decision | undefined;
  /** Notes that Redis is being asked, so that one request does. */
  readonly asking: (asked: Asked) => void;
  /** Notes what Redis answered. */
  readonly learn: (asked: Asked, decision: Decision) => void;
  /** What is known all the same where Redis did not answer. */
  readonly recallOnFailure: (asked: Asked) => Decision | undefined;
  /** Notes a block of so many milliseconds. */
  readonly block: (key: string, duration: number) => void;
  readonly forget: (key: string) => void;
}

/** The denials of a kit. */
export const denialsOf: (context: Context) => Denials = perKit(() => createDenials());

function isSame(one: readonly Quota[], other: readonly Quota[]): boolean {
  if (one === other) return true;
  if (one.length !== other.length) return false;
  return one.every(({ limit, window, burst }, index) => {
    const quota = other[index]!;
    return limit === quota.limit && window === quota.window && burst === quota.burst;
  });
}

/** A refusal with its times as they are some milliseconds later. */
function later({ blockedFor, standings }: Decision, passed: number): Decision {
  const shift = (time: number) => (time > 0 ? Math.max(1, Math.ceil(time - passed)) : 0);
  return {
    admitted: false,
    contended: false,
    blockedFor: shift(blockedFor),
    standings: standings.map(({ used, remaining, reset, retryAfter, token }) => ({
      used,
      remaining,
      reset: shift(reset),
      retryAfter: shift(retryAfter),
      token,
    })),
  };
}

/** What is remembered, by key. */
function createShelf(now: () => number) {
  const denials = new LRUCache<string, readonly Denial[]>({ max: MOST });

  const isAbout = ({ quotas }: Denial, asked: Asked): boolean =>
    quotas === undefined || isSame(quotas, asked.quotas);
  const find = (asked: Asked): Denial | undefined => {
    const all = denials.get(asked.key);
    if (all === undefined) return undefined;
    const time = now();
    return all.find(
      (denial) => denial.until > time && asked.cost >= denial.cost && isAbout(denial, asked),
    );
  };
  const forget = (denial: Denial, key: string): void => {
    const others = (denials.get(key) ?? []).filter((other) => other !== denial);
    if (others.length > 0) denials.set(key, others);
    else denials.delete(key);
  };
  const remember = (
    asked: Asked,
    decision: Decision,
    retryAfter: number,
    about: Pick<Denial, "quotas" | "cost">,
  ): void => {
    const since = now();
    const askAt = since + Math.min(LONGEST, retryAfter);
    const until = since + retryAfter;
    const denial = { ...about, decision, since, askAt, until, isBeingAsked: false };
    const others = (denials.get(asked.key) ?? []).filter(
      (other) => other.until > since && !isAbout(other, asked),
    );
    denials.set(asked.key, [denial, ...others].slice(0, MOST_PER_KEY));
  };
  return { find, forget, remember, clear: (key: string) => void denials.delete(key) };
}

/** @param now milliseconds by a clock that only ever goes forward; a machine's date may be set */
export function createDenials(now: () => number = () => performance.now()): Denials {
  const { find, forget, remember, clear } = createShelf(now);
  return {
    recall: (asked) => {
      const denial = find(asked);
      if (denial === undefined) return undefined;
      const isKnown = now() < denial.askAt || denial.isBeingAsked;
      return isKnown ? later(denial.decision, now() - denial.since) : undefined;
    },
    asking: (asked) => {
      const denial = find(asked);
      if (denial) denial.isBeingAsked = true;
    },
    learn: (asked, decision) => {
      const { quotas, cost } = asked;
      const { admitted, blockedFor, contended, standings } = decision;
      const denial = find(asked);
      if (admitted || contended) {
        if (denial) forget(denial, asked.key);
        return;
      }
      const retryAfter = Math.max(blockedFor, ...standings.map((standing) => standing.retryAfter));
      const about = blockedFor > 0 ? { quotas: undefined, cost: 0 } : { quotas, cost };
      remember(asked, decision, retryAfter, about);
    },
    recallOnFailure: (asked) => {
      const denial = find(asked);
      if (denial === undefined) return undefined;
      denial.isBeingAsked = false;
      return later(denial.decision, now() - denial.since);
    },
    block: (key, duration) => {
      const decision = { admitted: false, blockedFor: duration, contended: false, standings: [] };
      clear(key);
      remember({ key, quotas: [], cost: 0 }, decision, duration, { quotas: undefined, cost: 0 });
    },
    forget: clear,
  };
}
