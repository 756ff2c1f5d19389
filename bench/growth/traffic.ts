/** The requests that are sent, and what has to come back. */
import { addressOf, brandOf, cookieOf, forgedCookieOf, pageOf, userOf } from "./people.ts";
import type { Reply } from "./wire.ts";

/** One request. */
export interface Message {
  /** As it is sent. */
  readonly text: string;
  /** The status that has to come back. */
  readonly status: number;
  /** What has to stand in the answer's body. */
  readonly holds?: string;
  readonly onReply?: (reply: Reply) => void;
  /** The client goes without waiting for the answer. */
  readonly isAbandoned?: boolean;
}

/** Makes the next request. */
export type Traffic = () => Message;

/** The same for all, as it is part of what a response is stored under. */
const HOST = "shop.test";
export const ORIGIN: string = `https://${HOST}`;

/** Prints a request as a proxy that ended TLS would send it on. */
function print(method: string, path: string, n: number, cookie?: string): string {
  const lines = [
    `${method} ${path} HTTP/1.1`,
    `Host: ${HOST}`,
    `X-Forwarded-For: ${addressOf(n)}`,
    "X-Forwarded-Proto: https",
    ...(cookie === undefined ? [] : [`Cookie: ${cookie}`]),
    ...(method === "GET" ? [] : ["Content-Length: 0"]),
  ];
  return `${lines.join("\r\n")}\r\n\r\n`;
}

/** A member reads the settings of a brand of their own. */
export function readingOf(n: number): Message {
  return { text: print("GET", pageOf(n), n, cookieOf(n)), status: 200, holds: brandOf(n) };
}

/** A member changes them, which takes what is stored back. */
function changeOf(n: number): Message {
  return { text: print("PUT", pageOf(n), n, cookieOf(n)), status: 204 };
}

/** An address that the limiter refuses. */
export function refusalOf(n: number): Message {
  return { text: print("GET", "/refused", n), status: 429 };
}

/** An address that sends a cookie which nobody signed. */
export function forgeryOf(n: number): Message {
  return { text: print("GET", pageOf(n), n, forgedCookieOf(n)), status: 401 };
}

export function loginOf(n: number, onReply?: Message["onReply"]): Message {
  const text = print("POST", `/login/${userOf(n)}`, n);
  return { text, status: 204, ...(onReply && { onReply }) };
}

/** Numbers from `first` on, again and again: of many that a bounded map could remember, it has then forgotten each. */
function cycle(count: number, first = 0): () => number {
  let n = 0;
  return () => first + (n++ % count);
}

/** Members by turns. */
export function members(count: number): Traffic {
  const next = cycle(count);
  return () => readingOf(next());
}

/** Strangers by turns, each twice: once refused, once with a forged cookie. */
export function strangers(count: number): Traffic {
  const next = cycle(2 * count);
  return () => {
    const n = next();
    return n % 2 === 0 ? refusalOf(n / 2) : forgeryOf((n - 1) / 2);
  };
}

/** The cookie in an answer's Set-Cookie. */
export function cookieIn({ head }: Reply): string | undefined {
  return /\r\nset-cookie: ([^;]+)/i.exec(head)?.[1];
}

/** Who takes part in a {@link mixture}. */
export interface Crowd {
  readonly members: number;
  readonly strangers: number;
}

/** People who sign in and out, with numbers after those of the members. */
const GUESTS = 5000;

/** All that happens on a site: of 200 requests, 150 are of members who read. */
export function mixture(crowd: Crowd): Traffic {
  const member = cycle(crowd.members);
  const stranger = cycle(crowd.strangers);
  const forger = cycle(crowd.strangers);
  const guest = cycle(GUESTS, crowd.members);
  /** Of guests who are signed in: each signs out once. */
  const cookies: string[] = [];
  const greet = (reply: Reply): void => {
    const cookie = cookieIn(reply);
    if (cookie !== undefined) cookies.push(cookie);
  };
  const leave = (): Message => {
    const n = guest();
    return { text: print("POST", "/logout", n, cookies.shift()), status: 204 };
  };
  let count = 0;
  const lost = (): Message => ({ text: print("GET", `/nowhere/${count}`, member()), status: 404 });
  const kinds: readonly [share: number, next: Traffic][] = [
    [150, () => readingOf(member())],
    [10, () => changeOf(member())],
    [10, () => loginOf(guest(), greet)],
    [10, leave],
    [8, () => refusalOf(stranger())],
    [8, () => forgeryOf(forger())],
    [3, lost],
    [1, () => ({ ...readingOf(member()), isAbandoned: true })],
  ];
  const deck = kinds.flatMap(([share, next]) => Array.from({ length: share }, () => next));
  return () => {
    count += 1;
    // 200 and 67 have no common divisor, so this is an order of all, and a mixed one.
    return deck[(count * 67) % deck.length]!();
  };
}
