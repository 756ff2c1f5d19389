/** Development's second chance: Redis where it answers at the start, memory where it does not. */
import type { KitError } from "../errors.ts";
import { createMemory } from "./memory/memory.ts";
import type { Connection } from "./port.ts";

/**
 * Decides once. Commands asked for before the decision wait for it.
 *
 * @param primary the configured Redis
 * @param onFallback is told why, once, where memory takes over
 */
export function withMemoryFallback(
  primary: Connection,
  onFallback: (why: KitError) => void,
): Connection {
  let chosen: Connection | undefined;
  const decision = primary.ready().then(
    () => (chosen = primary),
    async (why: KitError) => {
      if (why.code === "KIT_CLOSED") return (chosen = primary);
      chosen = createMemory();
      onFallback(why);
      await primary.close();
      return chosen;
    },
  );
  const via = <T>(command: (connection: Connection) => Promise<T>): Promise<T> =>
    chosen ? command(chosen) : decision.then(command);
  async function* scan(prefix: string): AsyncIterable<string[]> {
    yield* (chosen ?? (await decision)).scan(prefix);
  }
  return {
    get: (key) => via((to) => to.get(key)),
    getBytes: (key) => via((to) => to.getBytes(key)),
    mgetBytes: (keys) => via((to) => to.mgetBytes(keys)),
    set: (key, value, how) => via((to) => to.set(key, value, how)),
    del: (key) => via((to) => to.del(key)),
    pexpire: (key, ttl) => via((to) => to.pexpire(key, ttl)),
    pttl: (key) => via((to) => to.pttl(key)),
    smembers: (key) => via((to) => to.smembers(key)),
    sismember: (key, member) => via((to) => to.sismember(key, member)),
    scard: (key) => via((to) => to.scard(key)),
    srem: (key, member) => via((to) => to.srem(key, member)),
    scan,
    run: (script, key, args) => via((to) => to.run(script, key, args)),
    // Known before the decision, and right after either: memory takes text as well as bytes.
    isTextOnly: () => primary.isTextOnly(),
    push: primary.push && {
      publish: (channel, message) => via((to) => to.push!.publish(channel, message)),
      subscribe: (channel, listener) => {
        if (chosen) return chosen.push!.subscribe(channel, listener);
        let isOver = false;
        let leave = (): void => void (isOver = true);
        const listen = (to: Connection): void => {
          if (!isOver) leave = to.push!.subscribe(channel, listener);
        };
        void decision.then(listen);
        return () => leave();
      },
    },
    ping: () => via((to) => to.ping()),
    ready: () => via((to) => to.ready()),
    close: () => (chosen ?? primary).close(),
    state: () => (chosen ?? primary).state(),
  };
}
