/** The RateLimit header fields, in the spellings of three drafts and the older X- ones. */
import type { ServerResponse } from "node:http";
import type { Quota, Standing } from "./algorithms/algorithm.ts";
import type { Answer } from "./counter.ts";
import type { HeaderStyle } from "./options.ts";

/** One quota's answer under its name. */
export interface Row {
  readonly name: string;
  readonly key: string;
  readonly quota: Quota;
  readonly standing: Standing;
  /** Whether this quota refuses, or its key is blocked. */
  readonly isRefusing: boolean;
}

const seconds = (milliseconds: number): number => Math.max(0, Math.ceil(milliseconds / 1000));

/** The quotas of all answers. */
export function rowsOf(answers: readonly Answer[]): Row[] {
  return answers.flatMap(({ key, names, quotas, decision: { blockedFor, standings } }) =>
    quotas.map((quota, index): Row => {
      const standing = standings[index] ?? NOTHING_KNOWN;
      const name = names[index]!;
      if (blockedFor === 0) {
        return { name, key, quota, standing, isRefusing: standing.retryAfter > 0 };
      }
      const retryAfter = Math.max(blockedFor, standing.retryAfter);
      return {
        name,
        key,
        quota,
        standing: { ...standing, remaining: 0, retryAfter },
        isRefusing: true,
      };
    }),
  );
}

/** Of a block that this process remembers, the counts are not known. */
const NOTHING_KNOWN: Standing = { used: 0, remaining: 0, reset: 0, retryAfter: 0, token: 0 };

/** The quota that will stop a client first. */
export function strictest(rows: readonly Row[]): Row {
  return rows.reduce((worst, row) => {
    const isWorse =
      row.isRefusing === worst.isRefusing
        ? row.standing.remaining < worst.standing.remaining
        : row.isRefusing;
    return isWorse ? row : worst;
  });
}

/** Milliseconds until the client may try again: the longest that any refusing quota asks for. */
export function retryAfterOf(rows: readonly Row[]): number {
  return Math.max(0, ...rows.map(({ standing }) => standing.retryAfter));
}

/** Milliseconds until a quota admits more. */
export function resetOf({ isRefusing, standing }: Row): number {
  return isRefusing ? standing.retryAfter : standing.reset;
}

/** Several limiters of one route share one list-valued field (RFC 9110, section 5.3). */
function append(response: ServerResponse, name: string, value: string): void {
  const present = response.getHeader(name);
  response.setHeader(name, present === undefined ? value : `${String(present)}, ${value}`);
}

/** Writes the fields of one limiter. */
export function writeHeaders(
  response: ServerResponse,
  rows: readonly Row[],
  style: HeaderStyle,
  legacy: boolean,
): void {
  if (response.headersSent || rows.length === 0) return;
  if (style === "draft-8") {
    append(response, "RateLimit-Policy", rows.map(policyOf).join(", "));
    append(response, "RateLimit", rows.map(limitOf).join(", "));
    if (!legacy) return;
  }
  const row = strictest(rows);
  const { limit, remaining, reset } = {
    limit: row.quota.limit,
    remaining: row.standing.remaining,
    reset: seconds(resetOf(row)),
  };
  if (legacy) {
    response.setHeader("X-RateLimit-Limit", limit);
    response.setHeader("X-RateLimit-Remaining", remaining);
    response.setHeader("X-RateLimit-Reset", Math.ceil(Date.now() / 1000) + reset);
  }
  if (style === "draft-7" || style === "draft-6") {
    const policies = rows.map(({ quota }) => `${quota.limit};w=${seconds(quota.window)}`);
    response.setHeader("RateLimit-Policy", policies.join(", "));
  }
  if (style === "draft-7") {
    response.setHeader("RateLimit", `limit=${limit}, remaining=${remaining}, reset=${reset}`);
  } else if (style === "draft-6") {
    response.setHeader("RateLimit-Limit", limit);
    response.setHeader("RateLimit-Remaining", remaining);
    response.setHeader("RateLimit-Reset", reset);
  }
}

function policyOf({ name, quota }: Row): string {
  return `"${name}";q=${quota.limit};w=${seconds(quota.window)}`;
}

function limitOf(row: Row): string {
  return `"${row.name}";r=${row.standing.remaining};t=${seconds(resetOf(row))}`;
}

/** `Retry-After` in whole seconds, at least 1. */
export function writeRetryAfter(response: ServerResponse, milliseconds: number): void {
  if (!response.headersSent) response.setHeader("Retry-After", Math.max(1, seconds(milliseconds)));
}
