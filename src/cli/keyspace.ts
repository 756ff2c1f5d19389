/** A bounded look at the keys: how many and how large by prefix, and which have no time to live. */
import { createHash } from "node:crypto";
import type { Sender } from "../connection/channel.ts";
import { type KeyKind, namespaceOf } from "../keys.ts";
import { ask, PATIENCE, serverWords } from "./ask.ts";

/** How far a look may go. */
export interface Bounds {
  /** Keys, over all servers. */
  readonly keys: number;
  /** Milliseconds. */
  readonly time: number;
}

/** One key as it may be shown: without the session id, user, address or path in it. */
export interface SeenKey {
  readonly name: string;
  readonly group: string;
  /** Whether it will go away by itself; undefined where the server would not say. */
  readonly hasTtl: boolean | undefined;
  /** Undefined where the server would not say. */
  readonly bytes: number | undefined;
}

/** What was seen. */
export interface Sample {
  readonly keys: readonly SeenKey[];
  /** All keys of the servers; undefined where they would not say. */
  readonly total: number | undefined;
  /** Whether every key was looked at. */
  readonly isComplete: boolean;
  /** Namespaces other than the configured one whose keys look like the kit's. */
  readonly namespaces: readonly string[];
  /** Why times to live are unknown. */
  readonly ttlsDenied: string | undefined;
  /** Why sizes are unknown. */
  readonly sizesDenied: string | undefined;
}

/** The group of keys that are not the kit's. */
export const OTHERS = "others";

const BATCH = 200;

function shortHash(text: string): string {
  return `#${createHash("sha256").update(text).digest("hex").slice(0, 8)}`;
}

/** A word that names a kind of thing; an id has digits, or is long. */
const PLAIN_WORD = /^[a-z][a-z_.-]{0,23}$/i;

function namePart(part: string): string {
  return PLAIN_WORD.test(part) ? part : shortHash(part);
}

/**
 * How a key may be shown: its prefix, the limit's type or the cache's first segment, and a hash of the
 * rest. The same key always shows the same.
 */
export function disguise(key: string, kind: KeyKind | undefined): string {
  if (kind === undefined) {
    const [first = "", ...rest] = key.split(":");
    return rest.length === 0 ? shortHash(key) : `${namePart(first)}:${shortHash(rest.join(":"))}`;
  }
  const [first = "", ...rest] = key.slice(kind.prefix.length).split(":");
  if ((kind.name === "ratelimit" || kind.name === "cache") && rest.length > 0) {
    return `${kind.prefix}${namePart(first)}:${shortHash(rest.join(":"))}`;
  }
  return `${kind.prefix}${shortHash(key)}`;
}

/** The first segment of a key that is not the kit's, where it is a word. */
function groupOf(key: string): string {
  const [first = "", ...rest] = key.split(":");
  return rest.length > 0 && PLAIN_WORD.test(first) ? `${OTHERS}/${first}` : OTHERS;
}

class Look {
  readonly keys: SeenKey[] = [];
  readonly namespaces = new Set<string>();
  ttlsDenied: string | undefined;
  sizesDenied: string | undefined;
  readonly #kinds: readonly KeyKind[];

  constructor(kinds: readonly KeyKind[]) {
    this.#kinds = kinds;
  }

  async add(sender: Sender, key: string): Promise<void> {
    const kind = this.#kinds.find((one) => one.holds(key));
    const [ttl, bytes] = await Promise.all([this.#ttl(sender, key), this.#size(sender, key)]);
    if (ttl === -2) return; // Expired meanwhile.
    const namespace = kind === undefined ? namespaceOf(key) : undefined;
    if (namespace !== undefined) this.namespaces.add(namespace);
    this.keys.push({
      name: disguise(key, kind),
      group: kind?.name ?? groupOf(key),
      hasTtl: ttl === undefined ? undefined : ttl >= 0,
      bytes,
    });
  }

  async #ttl(sender: Sender, key: string): Promise<number | undefined> {
    if (this.ttlsDenied !== undefined) return undefined;
    const answer = await ask<number>(sender, ["PTTL", key], { key });
    if (answer.denied !== undefined) this.ttlsDenied = answer.denied;
    return answer.reply;
  }

  async #size(sender: Sender, key: string): Promise<number | undefined> {
    if (this.sizesDenied !== undefined) return undefined;
    const answer = await ask<number | null>(sender, ["MEMORY", "USAGE", key], { key });
    if (answer.denied !== undefined) this.sizesDenied = answer.denied;
    return answer.reply ?? undefined;
  }
}

/** Looks at one server until its keys, or the bounds, are reached. Answers whether it saw all. */
async function lookAt(sender: Sender, look: Look, share: number, end: number): Promise<boolean> {
  const seen = new Set<string>();
  let cursor = "0";
  do {
    // eslint-disable-next-line no-await-in-loop -- a cursor is known only once the batch before it came
    const reply = await sender.send(["SCAN", cursor, "COUNT", BATCH], { within: PATIENCE });
    const [next, batch] = reply as [string | number, string[]];
    const fresh = batch.filter((key) => !seen.has(key)).slice(0, share - seen.size);
    for (const key of fresh) seen.add(key);
    // eslint-disable-next-line no-await-in-loop -- a bounded number of commands at a time
    await Promise.all(fresh.map((key) => look.add(sender, key)));
    cursor = String(next);
  } while (cursor !== "0" && seen.size < share && performance.now() < end);
  return cursor === "0" && seen.size <= share;
}

async function countKeys(senders: readonly Sender[]): Promise<number | undefined> {
  const answers = await Promise.all(senders.map((sender) => ask<number>(sender, ["DBSIZE"])));
  if (answers.some(({ denied }) => denied !== undefined)) return undefined;
  return answers.reduce((sum, { reply }) => sum + (reply ?? 0), 0);
}

/**
 * Looks at the keys of all servers at once. A server keeps its keys in hashed order, so the first ones
 * that SCAN gives are a fair sample of them all.
 *
 * @returns a sample, or why there is none
 */
export async function sampleKeys(
  senders: readonly Sender[],
  kinds: readonly KeyKind[],
  bounds: Bounds,
): Promise<Sample | { readonly denied: string }> {
  const look = new Look(kinds);
  const end = performance.now() + bounds.time;
  const share = Math.max(1, Math.ceil(bounds.keys / senders.length));
  try {
    const complete = await Promise.all(senders.map((sender) => lookAt(sender, look, share, end)));
    return {
      keys: look.keys,
      total: await countKeys(senders),
      isComplete: complete.every(Boolean),
      namespaces: [...look.namespaces],
      ttlsDenied: look.ttlsDenied,
      sizesDenied: look.sizesDenied,
    };
  } catch (error) {
    const words = serverWords(error);
    if (words === undefined) throw error;
    return { denied: `SCAN was answered with "${words.slice(0, 120)}"` };
  }
}
