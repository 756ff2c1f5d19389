/** The port: all that the features may ask of Redis, whatever stands behind it. */
import type { KitError } from "../errors.ts";
import type { Argument, Script } from "./script.ts";

/** How a key is written. There is no way to write one without a time to live. */
export interface SetOptions {
  /** Milliseconds. */
  ttl: number;
  /** `NX`: only where no such key exists; `XX`: only where one does. */
  condition?: "NX" | "XX";
}

/** What holds on the kit's own connections. */
export type Guarantee = "deadline" | "at-most-once";

/** What is known of a connection at this moment, without asking the server. */
export interface ConnectionState {
  /** What stands behind it. */
  readonly kind: "memory" | "tcp" | "rest";
  /**
   * `connecting` until the first success, `down` when it was lost after one or does not answer, `idle`
   * when it was closed because nobody used it: the next command opens it again.
   */
  readonly state: "connecting" | "ready" | "down" | "idle" | "closed";
  /** Deployment and address, without credentials. */
  readonly target: string;
  /** Whether it is encrypted. */
  readonly tls: boolean;
  /** The last failure that was not followed by a success. */
  readonly problem: KitError | undefined;
  /**
   * What the kit promises on its own connections and cannot on a client that the application brought:
   * `deadline`, that a command which timed out is not kept and sent later; `at-most-once`, that none
   * is sent twice. Empty on the kit's own.
   */
  readonly unguaranteed: readonly Guarantee[];
}

/** Told of the messages of one channel. None of these may throw. */
export interface PushListener {
  message(text: string): void;
  /** From now on every message comes, until {@link interrupted}. */
  subscribed(): void;
  /**
   * Messages may have been missed. Told at once when the socket is lost, closed for idleness or for good,
   * when the server stops answering or is found to be a replica now, and when it refuses to push; once
   * until the next {@link subscribed}. A message that was under way may still come after it.
   */
  interrupted(): void;
}

/**
 * Messages to all processes, on the connection itself: no second socket, and no command where nobody
 * listens.
 *
 * They are told as they are read, while the promise of an answer settles in a microtask. So whoever awaits
 * an answer has been told of every message that came before it, and perhaps of some that came after. On a
 * Cluster that holds for answers of the node that is listened to alone; a message that comes there by the
 * bus late may be told twice after a move, and one that the bus drops is missed without a word.
 *
 * A socket that died in silence is noticed by the next command, as always: until then nothing is told.
 */
export interface Push {
  /**
   * Resolves once Redis has taken it; whoever listens here gets it too. Messages of one process to one
   * channel arrive in order, except that on a Cluster those around the loss of a node may not.
   */
  publish(channel: string, message: string): Promise<void>;
  /**
   * Listens, over all reconnections, until the answer is called. The listener may be told something before
   * this returns. It keeps no connection from going idle, and wakes none: the next command does.
   */
  subscribe(channel: string, listener: PushListener): () => void;
}

/**
 * Plain commands by their Redis names, and scripts. Every call rejects with a {@link KitError}:
 * `REDIS_TIMEOUT`, `REDIS_UNAVAILABLE`, `REDIS_COMMAND_FAILED` or `KIT_CLOSED`.
 */
export interface Connection {
  get(key: string): Promise<string | null>;
  getBytes(key: string): Promise<Buffer | null>;
  /**
   * What {@link getBytes} answers for each of at least one key, in one round trip; null too for a key that
   * holds no string. One MGET where all keys sit on one server; on a Cluster a GET each in one flush, so
   * that the values may be of different moments.
   */
  mgetBytes(keys: readonly string[]): Promise<(Buffer | null)[]>;
  /** Answers whether the key was written. */
  set(key: string, value: string | Buffer, options: SetOptions): Promise<boolean>;
  /** Answers whether there was such a key. */
  del(key: string): Promise<boolean>;
  pexpire(key: string, ttl: number): Promise<boolean>;
  /** Milliseconds that a key has left; undefined where there is no such key, or it has no end. */
  pttl(key: string): Promise<number | undefined>;
  sismember(key: string, member: string): Promise<boolean>;
  smembers(key: string): Promise<string[]>;
  scard(key: string): Promise<number>;
  srem(key: string, member: string): Promise<boolean>;
  /** Batches of the keys that begin with `prefix`; a key may appear twice, as SCAN allows. */
  scan(prefix: string): AsyncIterable<string[]>;
  /**
   * EVALSHA, and EVAL where Redis answers NOSCRIPT. Arguments that are bytes reach the script as they are;
   * over a connection that {@link isTextOnly}, those that are no text are refused with
   * `REDIS_COMMAND_FAILED` before anything is sent.
   */
  run<Reply>(script: Script<Reply>, key: string, args: readonly Argument[]): Promise<Reply>;
  /**
   * Whether values are carried as text, as REST does: SET and GET then wrap bytes that are no text, so
   * that their lengths and offsets in Redis are not those of the value. The same for the whole life of a
   * connection; true only where text would do on whatever stands behind it.
   */
  isTextOnly(): boolean;
  /** Undefined where there is none: over REST, and on a client that the application brought. */
  readonly push: Push | undefined;
  ping(): Promise<void>;
  /** Resolves once commands can be answered; rejects with the diagnosis. */
  ready(): Promise<void>;
  close(): Promise<void>;
  state(): ConnectionState;
}

/** What a connection reports of its own accord. */
export interface ConnectionEvents {
  /** The state changed. */
  connection(state: ConnectionState): void;
  /** Something failed that no caller is told of, or a failure is seen for the first time. */
  error(error: KitError): void;
}
