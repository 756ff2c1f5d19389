/** Requests of every kind that sessions know, in turn, and what became of the session ids that they gave away. */
import { setTimeout as delay } from "node:timers/promises";
import { type Exchange, exchange, type Message } from "../support/http.ts";
import { type Pace, startPace } from "../support/pace.ts";
import type { RedisServer } from "../support/redis-server.ts";

/** The kinds of requests, and what each is called. */
export const KINDS = {
  anonymous: "no cookie",
  new: "no cookie, writes a new session",
  stream: "the same, answered in pieces",
  read: "signed in",
  write: "signed in, writes",
  login: "login()",
  logout: "logout()",
} as const;

/** A kind of request. */
export type Kind = keyof typeof KINDS;

/** One request of a kind. */
export interface Sent extends Exchange {
  readonly kind: Kind;
}

/** Cookies of sessions that were signed in before the fault. */
export interface Holders {
  readonly reader: string;
  readonly writer: string;
  /** One for each logout. */
  readonly leaving: string[];
}

/** Who the reader is signed in as. */
const READER = "reader";
/** Requests that are sent at once where no clock is read. */
const AT_ONCE = 25;

const ORDER = Object.keys(KINDS) as Kind[];

/** Works through a list, some of it at once. */
async function inBatches<Item, Result>(
  items: readonly Item[],
  work: (item: Item) => Promise<Result>,
): Promise<Result[]> {
  const results: Result[] = [];
  for (let from = 0; from < items.length; from += AT_ONCE) {
    results.push(...(await Promise.all(items.slice(from, from + AT_ONCE).map(work))));
  }
  return results;
}

async function signIn(port: number, user: string): Promise<string> {
  const { status, cookie } = await exchange(port, { method: "POST", path: `/login/${user}` });
  if (cookie === undefined) throw new Error(`The login was answered ${status}, without a cookie.`);
  return cookie;
}

/** Signs in everybody whom the load needs. */
export async function signInAll(port: number, logouts: number): Promise<Holders> {
  const users = Array.from({ length: logouts }, (_, index) => `leaving-${index}`);
  return {
    reader: await signIn(port, READER),
    writer: await signIn(port, "writer"),
    leaving: await inBatches(users, (user) => signIn(port, user)),
  };
}

function messageOf(kind: Kind, index: number, holders: Holders): Message {
  switch (kind) {
    case "anonymous":
      return { path: "/anonymous" };
    case "read":
      return { path: "/read", cookie: holders.reader };
    case "write":
      return { method: "POST", path: "/write", cookie: holders.writer };
    case "login":
      // Another user each time: a login ends the user's other session.
      return { method: "POST", path: `/login/user-${index}` };
    case "logout": {
      const cookie = holders.leaving.pop();
      if (cookie === undefined) throw new Error("Nobody is left to log out.");
      return { method: "POST", path: "/logout", cookie };
    }
    default:
      return { method: "POST", path: `/${kind}` };
  }
}

/** Sends all kinds in turn; what came back is put into `sent`. */
export function startLoad(port: number, rate: number, holders: Holders, sent: Sent[]): Pace {
  return startPace(rate, async (index) => {
    const kind = ORDER[index % ORDER.length]!;
    sent.push({ ...(await exchange(port, messageOf(kind, index, holders))), kind });
  });
}

/** The session id that an answer gave to its client; undefined for none, and for a cookie that is taken back. */
export function idOf({ cookie }: Exchange): string | undefined {
  return /^__Host-sid=s%3A([^.]+)\./.exec(cookie ?? "")?.[1];
}

/** Whether a session is there: by its key, and for a client that comes with its cookie. */
async function isStored(port: number, redis: RedisServer, one: Sent): Promise<boolean> {
  const id = idOf(one)!;
  const { status, body } = await exchange(port, { path: "/read", cookie: one.cookie });
  const isKnown = status === 200 && (JSON.parse(body) as { id: unknown }).id === id;
  return isKnown && (await redis.client.exists(`session:${id}`)) === 1;
}

/** Those of the answers whose cookie names a session that is not there. */
export async function cookiesOfNothing(
  port: number,
  redis: RedisServer,
  answers: readonly Sent[],
): Promise<Sent[]> {
  const given = answers.filter((one) => idOf(one) !== undefined);
  const areStored = await inBatches(given, (one) => isStored(port, redis, one));
  return given.filter((_, index) => !areStored[index]);
}

/** Milliseconds until a signed-in read finds its user; Infinity for not within `bound`. */
export async function readsAgain(
  port: number,
  { reader }: Holders,
  bound: number,
): Promise<number> {
  const since = performance.now();
  while (performance.now() - since < bound) {
    const { status, body } = await exchange(port, { path: "/read", cookie: reader });
    const isFound = status === 200 && (JSON.parse(body) as { user: unknown }).user === READER;
    if (isFound) return performance.now() - since;
    await delay(5);
  }
  return Infinity;
}
