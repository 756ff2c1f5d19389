/** What became of every increment, and whether Redis counted what was answered, and no more than was sent. */
import { quantile, worst } from "../support/statistics.ts";
import type { CountingClient } from "./clients.ts";

/** One increment. Times are milliseconds of `performance.now()`. */
interface Entry {
  readonly key: string;
  readonly sentAt: number;
  /** Infinity while nothing has become of it. */
  settledAt: number;
  fate: "pending" | "answered" | "notSent" | "maybeExecuted";
  /** Of the error that it failed with. */
  code: string;
}

/** What a deployment counted, beside what a client was told. */
export interface Verdict {
  /** Answered, but not counted. */
  readonly lost: number;
  /** Counted, but more than was sent; a command that the client called not sent counts as not sent. */
  readonly doubled: number;
}

/** Keeps the account of one client. */
export interface Ledger {
  /** Increments a key and notes what becomes of it; never rejects. */
  increment(key: string): Promise<void>;
  sent(): number;
  failures(): number;
  /** Failures by their code, such as `REDIS_TIMEOUT 12`, and what is not settled. */
  failuresByCode(): string;
  /** Milliseconds from asking to answer or error, of what was sent after a moment. */
  settling(since?: number): { worst: number; p99: number; median: number };
  /** Milliseconds from a moment to the first answer for these keys to what was sent after it. */
  recovery(moment: number, isMeant?: (key: string) => boolean): number;
  /** The longest time between two answers for these keys. */
  longestGap(isMeant?: (key: string) => boolean): number;
  /** Whether it adds up. */
  judge(counted: (key: string) => number): Verdict;
  keys(): ReadonlySet<string>;
}

function codeOf(error: unknown): string {
  const { code, name, message } = error as { code?: unknown; name: string; message: string };
  if (typeof code === "string") return code;
  return name === "Error" ? message.split(/[.,:]/, 1)[0]! : name;
}

function all(): boolean {
  return true;
}

/** Opens an account. */
export function createLedger(client: CountingClient): Ledger {
  const entries: Entry[] = [];
  const increment = async (key: string): Promise<void> => {
    const sentAt = performance.now();
    const entry: Entry = { key, sentAt, settledAt: Infinity, fate: "pending", code: "" };
    entries.push(entry);
    try {
      await client.increment(key);
      entry.fate = "answered";
    } catch (error) {
      entry.fate = client.wasNotSent(error) ? "notSent" : "maybeExecuted";
      entry.code = codeOf(error);
    }
    entry.settledAt = performance.now();
  };
  const answered = (isMeant: (key: string) => boolean): Entry[] =>
    entries.filter(({ fate, key }) => fate === "answered" && isMeant(key));
  return {
    increment,
    sent: () => entries.length,
    failures: () => entries.filter(({ fate }) => fate !== "answered").length,
    failuresByCode: () => {
      const counts = new Map<string, number>();
      for (const { fate, code } of entries) {
        if (fate === "answered") continue;
        const name = fate === "pending" ? "never settled" : code;
        counts.set(name, (counts.get(name) ?? 0) + 1);
      }
      return [...counts].map(([code, count]) => `${code} ${count}`).join(", ") || "none";
    },
    settling: (since = 0) => {
      const times = entries
        .filter(({ sentAt }) => sentAt >= since)
        .map(({ sentAt, settledAt }) => Math.min(settledAt, performance.now()) - sentAt);
      return { worst: worst(times), p99: quantile(times, 0.99), median: quantile(times, 0.5) };
    },
    recovery: (moment, isMeant = all) => {
      const after = answered(isMeant).filter(({ sentAt }) => sentAt >= moment);
      return Math.min(...after.map(({ settledAt }) => settledAt)) - moment;
    },
    longestGap: (isMeant = all) => {
      const times = answered(isMeant)
        .map(({ settledAt }) => settledAt)
        .toSorted((a, b) => a - b);
      return worst(times.slice(1).map((time, index) => time - times[index]!));
    },
    judge: (counted) => judge(entries, counted),
    keys: () => new Set(entries.map(({ key }) => key)),
  };
}

function judge(entries: readonly Entry[], counted: (key: string) => number): Verdict {
  let lost = 0;
  let doubled = 0;
  for (const key of new Set(entries.map((entry) => entry.key))) {
    const own = entries.filter((entry) => entry.key === key);
    const answered = own.filter(({ fate }) => fate === "answered").length;
    const sent = own.filter(({ fate }) => fate !== "notSent").length;
    lost += Math.max(0, answered - counted(key));
    doubled += Math.max(0, counted(key) - sent);
  }
  return { lost, doubled };
}
