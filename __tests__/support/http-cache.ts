/** A shared cache in front of a handler whose answers are scripted, under a clock that moves when told. */
import { afterEach, jest } from "@jest/globals";
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from "node:http";
import { setImmediate as turn, setTimeout as delay } from "node:timers/promises";
import type { CacheOptions, KitOptions, Middleware } from "express-redis-kit";
import { makeKit, serve } from "./kit.ts";
import { send } from "./raw.ts";
import { expressApp } from "./shells.ts";
import { type Bare, parseList } from "./structured-field.ts";

/** Header fields; an undefined one is left out. */
export type Fields = Record<string, string | string[] | undefined>;

/** What the handler says, beside a Date of now and a Content-Type. */
export interface Answer {
  /** Default: 200. */
  readonly status?: number;
  readonly fields?: Fields;
  /** Default: `#` and how many requests the handler has seen. */
  readonly body?: string;
  /** Ends the response in a way of its own. */
  readonly end?: (response: ServerResponse) => unknown;
}

/** An answer, or how one is found. */
export type Script = Answer | ((request: Seen) => Answer | Promise<Answer>);

/** A request as the handler saw it. */
export interface Seen {
  readonly method: string;
  readonly headers: IncomingHttpHeaders;
}

/** What a client got. */
export interface Reply {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  /** Whether the handler ran before the reply was whole. */
  readonly isForwarded: boolean;
}

/** How a request differs from `GET /a`. */
export interface AskOptions {
  method?: string;
  path?: string;
}

/** All that a case may do. */
export interface World {
  /** What the handler answers, request by request; the last one again and again. */
  answers: (...scripts: Script[]) => void;
  /** The requests that the handler saw. */
  readonly seen: readonly Seen[];
  ask: (fields?: Fields, options?: AskOptions) => Promise<Reply>;
  /** Moves the clock. */
  pass: (seconds: number) => void;
  /** The time so many seconds from now, as an HTTP-date (RFC 9110, section 5.6.7). */
  date: (seconds?: number) => string;
  /** Waits until so many requests have come to the cache, and found what they look for in memory. */
  arrived: (count: number) => Promise<void>;
  /** Waits until the handler has seen so many requests, and what came of the last one is done. */
  forwarded: (count: number) => Promise<void>;
}

/** What a handler can wait at. */
export function createGate(): { readonly opened: Promise<void>; open: () => void } {
  let open = (): void => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open };
}

/** A cache under test. */
export interface Subject {
  readonly middleware: Middleware;
  /** Waits until a response that the reply said was stored is, or was purged meanwhile. */
  settled: (reply: IncomingHttpHeaders) => Promise<void>;
}

const REAL = [
  "hrtime",
  "nextTick",
  "performance",
  "queueMicrotask",
  "setImmediate",
  "clearImmediate",
  "setInterval",
  "clearInterval",
  "setTimeout",
  "clearTimeout",
] as const;

afterEach(() => void jest.useRealTimers());

/** Stops `Date`, at a whole second, so that dates and ages are exact. Timers go on. */
function stopClock(): void {
  const now = Math.floor(Date.now() / 1000) * 1000;
  jest.useFakeTimers({ now, doNotFake: [...REAL] });
}

/** The parameters of the kit's own member of Cache-Status. */
export function cacheStatusOf(headers: IncomingHttpHeaders): ReadonlyMap<string, Bare> {
  const members = parseList(String(headers["cache-status"] ?? ""));
  const own = members.find(({ item }) => String(item) === "express-redis-kit");
  return own?.parameters ?? new Map();
}

/** `performance` is the clock that does not stand still. */
async function within(condition: () => boolean, what: string, ms = 5000): Promise<void> {
  const end = performance.now() + ms;
  while (!condition()) {
    if (performance.now() > end) throw new Error(`Not within ${ms} ms: ${what}`);
    await delay(1);
  }
}

/** What memory does takes no longer than this: it waits for no one else. */
async function turns(): Promise<void> {
  for (let left = 5; left > 0; left--) await turn();
}

/** `cache()` of a kit of its own. */
export function kitCache(kitOptions: KitOptions, cacheOptions: CacheOptions): Subject {
  const kit = makeKit(kitOptions);
  let stored = 0;
  let promised = 0;
  kit.on("cache", ({ outcome, detail }) => {
    if (outcome === "stored" || (outcome === "refused" && detail === "purged")) stored++;
  });
  return {
    middleware: kit.cache("page", { scope: "public", ...cacheOptions }),
    settled: async (headers) => {
      if (cacheStatusOf(headers).get("stored") !== true) return;
      promised++;
      await within(() => stored >= promised, "a response that is `stored` has been");
    },
  };
}

/** Ends a response as the script says. */
async function play(
  script: Script,
  seen: Seen,
  count: number,
  response: ServerResponse,
): Promise<void> {
  const answer = typeof script === "function" ? await script(seen) : script;
  const { status = 200, fields = {}, body = `#${count}`, end } = answer;
  response.statusCode = status;
  const date = new Date().toUTCString();
  const all: Fields = { Date: date, "Content-Type": "text/plain", ...fields };
  if (all["Date"] === undefined) response.sendDate = false;
  for (const [name, value] of Object.entries(all)) {
    if (value !== undefined) response.setHeader(name, value);
  }
  if (end !== undefined) return void (await end(response));
  response.end(status === 204 || status === 304 ? undefined : body);
}

/** Serves the subject and its handler until the test ends. */
export async function startWorld(makeSubject: () => Subject): Promise<World> {
  stopClock();
  const { middleware, settled } = makeSubject();
  const seen: Seen[] = [];
  let scripts: Script[] = [{}];
  let running = 0;
  const handler = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { method = "", headers } = request;
    const script = scripts[Math.min(seen.length, scripts.length - 1)]!;
    seen.push({ method, headers: { ...headers } });
    running++;
    try {
      await play(script, seen.at(-1)!, seen.length, response);
    } finally {
      running--;
    }
  };
  let arrived = 0;
  const arriving: Middleware = (_request, _response, next) => {
    arrived++;
    next();
  };
  const app = expressApp();
  app.all("/:page", arriving as never, middleware as never, handler as never);
  const url = await serve(app);
  return {
    seen,
    answers: (...next) => {
      scripts = next;
    },
    ask: async (fields = {}, { method = "GET", path = "/a" } = {}) => {
      const before = seen.length;
      const given = Object.entries(fields).filter(([, value]) => value !== undefined);
      const headers = Object.fromEntries(given) as Record<string, string | string[]>;
      const reply = await send(url + path, { method, headers });
      const isForwarded = seen.length > before;
      await settled(reply.headers);
      await turns();
      const { status, body } = reply;
      return { status, headers: reply.headers, body: String(body), isForwarded };
    },
    pass: (seconds) => jest.setSystemTime(Date.now() + seconds * 1000),
    date: (seconds = 0) => new Date(Date.now() + seconds * 1000).toUTCString(),
    arrived: async (count) => {
      await within(() => arrived >= count, `${count} requests have come`);
      await turns();
    },
    forwarded: async (count) => {
      await within(() => seen.length >= count && running === 0, `${count} were forwarded`);
      await turns();
    },
  };
}
