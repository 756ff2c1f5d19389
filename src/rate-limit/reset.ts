/** Forgets what a key has counted: in Redis, in this process, and among the refusals that it remembers. */
import type { Context } from "../context.ts";
import { fallbackOf } from "./counter.ts";
import { denialsOf } from "./denials.ts";

/** Makes what resets a key of one kit, and answers whether Redis had it. */
export function createReset(context: Context): (key: string) => Promise<boolean> {
  const denials = denialsOf(context);
  return async (key) => {
    try {
      const [isRemoved] = await Promise.all([
        context.connection.del(key),
        fallbackOf(context).del(key),
      ]);
      denials.forget(key);
      return isRemoved;
    } finally {
      context.prefetch.changes.note(key);
    }
  };
}
