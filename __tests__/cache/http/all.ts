/** All cases, in the order of the documentation. */
import type { Case } from "./case.ts";
import { AGE } from "./age.ts";
import { AUTHORIZATION } from "./authorization.ts";
import { CACHE_STATUS_FIELD } from "./cache-status-field.ts";
import { CACHE_STATUS } from "./cache-status.ts";
import { COLLAPSING } from "./collapsing.ts";
import { CONDITIONAL } from "./conditional.ts";
import { DATES } from "./dates.ts";
import { DIRECTIVES } from "./directives.ts";
import { FIELDS } from "./fields.ts";
import { FRESHNESS } from "./freshness.ts";
import { FRESHENING } from "./freshening.ts";
import { HEADS } from "./head.ts";
import { HEURISTICS } from "./heuristics.ts";
import { INVALIDATION } from "./invalidation.ts";
import { NOT_MODIFIED } from "./not-modified.ts";
import { REQUESTS } from "./requests.ts";
import { STALE } from "./stale.ts";
import { STALE_IF_ERROR } from "./stale-if-error.ts";
import { STORING } from "./storing.ts";
import { VALIDATION } from "./validation.ts";
import { VARY } from "./vary.ts";

/** Cases by topic. */
export const TOPICS: Readonly<Record<string, readonly Case[]>> = {
  "What is stored": STORING,
  "Which fields are stored": FIELDS,
  "Requests with Authorization": AUTHORIZATION,
  "Cache-Control of the response": DIRECTIVES,
  "How long it is fresh": FRESHNESS,
  Dates: DATES,
  "Heuristic freshness": HEURISTICS,
  Age: AGE,
  "Serving stale": STALE,
  "Serving stale for an error": STALE_IF_ERROR,
  Vary: VARY,
  "Requests at the same time": COLLAPSING,
  Validation: VALIDATION,
  "What a 304 changes": FRESHENING,
  "Conditional requests": CONDITIONAL,
  "The fields of a 304": NOT_MODIFIED,
  HEAD: HEADS,
  "Cache-Control of the request": REQUESTS,
  Invalidation: INVALIDATION,
  "Cache-Status": CACHE_STATUS,
  "Cache-Status as a field": CACHE_STATUS_FIELD,
};

/** All of them. */
export const CASES: readonly Case[] = Object.values(TOPICS).flat();

/** A case in one line. */
export const titleOf = ({ section, level, name }: Case): string => `${section} ${level}: ${name}`;
