/** What each quota answered, as header fields, refusals and events read it. */
import type { Quota, Standing } from "./algorithms/algorithm.ts";
import type { Answer } from "./counter.ts";

/** One quota's answer under its name. */
export interface Row {
  readonly name: string;
  readonly key: string;
  readonly quota: Quota;
  readonly standing: Standing;
  /** Whether this quota refuses, or its key is blocked. */
  readonly isRefusing: boolean;
}

/** The quotas of all answers. */
export function rowsOf(answers: readonly Answer[]): Row[] {
  const rows: Row[] = [];
  for (const { ask, decision } of answers) {
    for (const [index, quota] of ask.quotas.entries()) {
      const found = decision.standings[index] ?? NOTHING_KNOWN;
      const standing = decision.blockedFor > 0 ? blocked(found, decision.blockedFor) : found;
      const isRefusing = standing.retryAfter > 0;
      rows.push({ name: ask.names[index]!, key: ask.key, quota, standing, isRefusing });
    }
  }
  return rows;
}

function blocked(standing: Standing, blockedFor: number): Standing {
  const retryAfter = Math.max(blockedFor, standing.retryAfter);
  return { ...standing, remaining: 0, retryAfter };
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

/** The names of the policies that refuse, each once. */
export function policiesOf(rows: readonly Row[]): readonly string[] {
  return [...new Set(rows.filter(({ isRefusing }) => isRefusing).map(({ name }) => name))];
}

/** Of several identities under one policy, the one that will stop the client first. */
export function oneOfEachName(rows: readonly Row[]): readonly Row[] {
  if (rows.length === 1) return rows;
  const names = [...new Set(rows.map(({ name }) => name))];
  if (names.length === rows.length) return rows;
  return names.map((name) => strictest(rows.filter((row) => row.name === name)));
}

/** Milliseconds until the client may try again: the longest that any refusing quota asks for. */
export function retryAfterOf(rows: readonly Row[]): number {
  return Math.max(0, ...rows.map(({ standing }) => standing.retryAfter));
}

/** Milliseconds until a quota admits more. */
export function resetOf({ isRefusing, standing }: Row): number {
  return isRefusing ? standing.retryAfter : standing.reset;
}
