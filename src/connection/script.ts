/** A Lua script with its TypeScript twin: one rule, run by Redis or by the memory connection. */
import { createHash } from "node:crypto";

/** An argument of a command: text, a whole number, or bytes. */
export type Argument = string | number | Buffer;

/** What the twin of a script may ask of the in-process database. Times are milliseconds. */
export interface Database {
  /** The clock that Redis's `TIME` stands for. */
  now(): number;
  get(key: string): string | undefined;
  /** Not a copy: whoever asks must not write into it. */
  getBytes(key: string): Buffer | undefined;
  /** Keeps a copy of bytes. */
  set(key: string, value: string | Buffer, ttl: number): void;
  del(key: string): boolean;
  /** Time to live, or undefined for a key that does not exist. */
  pttl(key: string): number | undefined;
  pexpire(key: string, ttl: number): boolean;
  smembers(key: string): string[];
  /** Replaces the members of a Set; an empty list deletes the key. */
  sput(key: string, members: readonly string[], ttl: number): void;
}

/** One atomic step. Its keys must sit in one Cluster slot, which is why each has exactly one. */
export interface Script<Reply> {
  readonly name: string;
  readonly lua: string;
  readonly sha: string;
  /**
   * The same for Upstash, where a script locks the whole database unless its first line allows locks by
   * key; Redis itself rejects that line, so the two have different SHAs.
   */
  readonly keyLocking: { readonly lua: string; readonly sha: string };
  /** The same rule over the in-process database; answers what the Lua answers, after `parse`. */
  run(database: Database, key: string, args: readonly Argument[]): Reply;
  /** Makes a `Reply` of what Redis answers. */
  parse(raw: unknown): Reply;
}

const KEY_LOCKING = "#!lua flags=allow-key-locking\n";

/** Redis names a script by the SHA-1 of its text. */
function shaOf(lua: string): string {
  return createHash("sha1").update(lua).digest("hex");
}

/** Makes a script; its SHA is computed here, so that no SCRIPT LOAD is ever needed. */
export function defineScript<Reply>(
  parts: Omit<Script<Reply>, "sha" | "keyLocking">,
): Script<Reply> {
  const locking = KEY_LOCKING + parts.lua;
  return Object.freeze({
    ...parts,
    sha: shaOf(parts.lua),
    keyLocking: Object.freeze({ lua: locking, sha: shaOf(locking) }),
  });
}
