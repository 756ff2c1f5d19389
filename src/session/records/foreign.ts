/** The keys of the library whose sessions are taken over: read, marked as taken over, and deleted. */
import type { Context } from "../../context.ts";
import { encode, type Mark, type SessionJson } from "./record.ts";
import { compareAndSet } from "./save.ts";
import { textAt } from "./text-at.ts";

/** Made by {@link createForeign}. */
export interface Foreign {
  /** What the other library wrote for an id. */
  textOf(id: string): Promise<string | null>;
  /** Where it may have written something. */
  isPossible(mark?: Mark): boolean;
  /** Deletes that. */
  remove(id: string, mark?: Mark): Promise<void>;
  /** Marks it as taken over, for good, and lets it end no later than what was made of it. */
  mark(id: string, held: string, data: SessionJson, mark: Mark, ttl: number): Promise<void>;
}

/** @param adoptPrefix what the keys begin with; a mark knows it of its own session */
export function createForeign(
  { connection, keys }: Context,
  adoptPrefix: string | undefined,
): Foreign {
  const keyOf = (id: string, mark?: Mark): string | undefined => {
    const prefix = mark?.from ?? adoptPrefix;
    return prefix === undefined ? undefined : keys.foreignSession(prefix, id);
  };
  return {
    textOf: async (id) => {
      const key = keyOf(id);
      return key === undefined ? null : textAt(connection, key);
    },
    isPossible: (mark) => (mark?.from ?? adoptPrefix) !== undefined,
    remove: async (id, mark) => {
      const key = keyOf(id, mark);
      if (key !== undefined) await connection.del(key);
    },
    mark: async (id, held, data, mark, ttl) => {
      const key = keyOf(id, mark)!;
      const left = Math.min(ttl, (await connection.pttl(key)) ?? ttl);
      await compareAndSet(connection, key, held, encode(data, mark), Math.max(1, left));
    },
  };
}
