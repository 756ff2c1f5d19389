/** What a kit gives each of its features: the one connection, and all that they share beside it. */
import type { Config, Logger } from "./config.ts";
import type { Connection } from "./connection/port.ts";
import type { KitError } from "./errors.ts";
import type { Keys } from "./keys.ts";
import type { Events } from "./observe/events.ts";
import type { Prefetch } from "./prefetch/prefetch.ts";

/** Passed to every feature's factory. */
export interface Context {
  readonly config: Config;
  readonly connection: Connection;
  readonly keys: Keys;
  readonly events: Events;
  readonly notices: Notices;
  readonly prefetch: Prefetch;
}

/** Development warnings, gathered so that a start says all of them in one line. */
export interface Notices {
  /** Adds to the start's one warning; once that is written, a notice is a warning of its own. */
  add(text: string): void;
  /** Writes what was gathered. */
  flush(): void;
}

/** Makes the notices of one kit. */
export function createNotices(logger: Logger, quiet: boolean): Notices {
  const said = new Set<string>();
  let gathered: string[] | undefined = [];
  const write = (texts: readonly string[]) => {
    if (!quiet && texts.length > 0) logger.warn(`express-redis-kit: ${texts.join(" ")}`);
  };
  return {
    add: (text) => {
      if (said.has(text)) return;
      said.add(text);
      if (gathered) gathered.push(text);
      else write([text]);
    },
    flush: () => {
      const texts = gathered ?? [];
      gathered = undefined;
      write(texts);
    },
  };
}

/** Makes one thing for each kit, when it is first asked for, so that all of its limiters share it. */
export function perKit<T>(make: (context: Context) => T): (context: Context) => T {
  const made = new WeakMap<Context, T>();
  return (context) => {
    const known = made.get(context);
    if (known !== undefined) return known;
    const thing = make(context);
    made.set(context, thing);
    return thing;
  };
}

/** Says, by the event `redis-error`, what was survived. */
export function reporter({ events }: Context): (during: string) => (error: unknown) => void {
  return (during) => (error) => events.emit("redis-error", { error: error as KitError, during });
}
