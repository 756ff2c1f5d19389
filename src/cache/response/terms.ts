/** On what terms a response is stored: by the options' times, or by its own header fields. */
import type { IncomingHttpHeaders, OutgoingHttpHeaders } from "node:http";
import { judgeStorage, type Terms, type Verdict } from "../http/storage.ts";
import type { Life } from "../engine-options.ts";
import type { CachePlan } from "../options.ts";
import { isNotFound } from "./storable.ts";

/** A request and its answer. Times are milliseconds since the epoch. */
export interface Answered {
  readonly request: IncomingHttpHeaders;
  readonly status: number;
  readonly fields: OutgoingHttpHeaders;
  readonly askedAt: number;
  readonly answeredAt: number;
}

/** ±10 %, so that what was stored together does not expire together. */
function jittered(ttl: number): number {
  return Math.max(1, Math.round(ttl * (0.9 + Math.random() * 0.2)));
}

/** By the options alone. */
export function termsOfLife(life: Life): Terms {
  const now = Date.now();
  const { stale, staleIfError } = life;
  return {
    bornAt: now,
    freshUntil: now + jittered(life.ttl),
    stale,
    staleIfError,
    isStrict: false,
    keep: Math.max(stale, staleIfError),
  };
}

/** Why a response may not be stored, or on what terms it is. */
export function termsOf(plan: CachePlan, answered: Answered): Verdict {
  const { isOrigin, life, notFound } = plan;
  const { stale, staleIfError } = life;
  if (isOrigin) return judgeStorage({ ...answered, stale, staleIfError });
  if (notFound === undefined || !isNotFound(answered.status)) return termsOfLife(life);
  return termsOfLife({ ttl: notFound, stale: 0, staleIfError: 0 });
}
