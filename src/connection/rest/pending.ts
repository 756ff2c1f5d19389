/** One command on its way over REST: written as JSON at once, settled once, bounded in time. */
import { decodeBytes, encodeBytes, plainText } from "../binary.ts";
import type { Command, Part, SendOptions } from "../channel.ts";
import type { Deadlines, Timed } from "../tcp/deadlines.ts";
import type { KitError } from "../../errors.ts";

/** Where the values of these commands stand, which may be bytes. */
const VALUE_AT: Readonly<Record<string, number>> = { SET: 2 };
/** Answers of these are such values. */
const ANSWERS_VALUE = new Set(["GET", "MGET"]);
/** Commands that change nothing. */
const READS = new Set(["GET", "MGET", "PING", "SCAN", "PTTL", "SCARD", "SISMEMBER", "SMEMBERS"]);

/** Text as JSON can carry it: a lone surrogate becomes U+FFFD, as it does over a socket. */
function textOf(part: Part, isValue: boolean, what: string): string {
  if (isValue && typeof part !== "number") return encodeBytes(part).toWellFormed();
  if (typeof part !== "object") return String(part).toWellFormed();
  return plainText(part, what);
}

/** A command as it stands in a request's body. */
function encode(command: Command, what: string): string {
  const value = VALUE_AT[command[0]];
  return JSON.stringify(command.map((part, index) => textOf(part, index === value, what)));
}

/** Signals that a string is not base64: the server did not do as it was asked. */
export class NotBase64 extends Error {}

/** In base64, Upstash writes every string but the status `OK`, which no base64 looks like. */
function bytesOf(text: string): Buffer {
  if (text === "OK") return Buffer.from(text);
  const bytes = Buffer.from(text, "base64");
  const padding = text.endsWith("==") ? 2 : text.endsWith("=") ? 1 : 0;
  if (text.length % 4 !== 0 || bytes.length !== (text.length / 4) * 3 - padding) {
    throw new NotBase64("a string is not in base64");
  }
  return bytes;
}

/** The request that a command was given to. */
interface Carrier {
  /** One of its commands was settled. */
  settled(): void;
}

/** Told what becomes of each command. */
export interface Fate {
  /** Why there was no answer in time. */
  late(pending: PendingCommand): KitError;
  /** Settled, however. */
  settled(pending: PendingCommand): void;
}

/** What is known of a command beside its parts. Times are milliseconds. */
export interface PendingOptions extends SendOptions {
  readonly deadline: number;
  readonly clock: Deadlines;
}

/** A command, from the call to its answer. */
export class PendingCommand implements Timed {
  readonly promise: Promise<unknown>;
  readonly command: Command;
  readonly json: string;
  readonly deadline: number;
  readonly isRead: boolean;
  /** It was given to a request that did not run. */
  isSecond = false;
  /** It has left, as far as this process knows. */
  isSent = false;
  isSettled = false;
  request: Carrier | undefined = undefined;
  isExtended = false;
  next: Timed | undefined = undefined;
  due: number;
  readonly #options: PendingOptions;
  readonly #fate: Fate;
  #resolve!: (reply: unknown) => void;
  #reject!: (error: Error) => void;

  /** @throws KitError for bytes that cannot be sent */
  constructor(command: Command, options: PendingOptions, fate: Fate) {
    this.command = command;
    this.#options = options;
    this.#fate = fate;
    this.json = encode(command, this.what);
    this.isRead = READS.has(command[0]);
    this.deadline = options.deadline;
    this.due = performance.now() + options.deadline;
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  /** What an error calls it. */
  get what(): string {
    return this.#options.what ?? this.command[0];
  }

  /** @throws NotBase64 */
  decode(reply: unknown): unknown {
    if (typeof reply === "string") {
      const stored = bytesOf(reply);
      const bytes = ANSWERS_VALUE.has(this.command[0]) ? decodeBytes(stored) : stored;
      return this.#options.bytes ? bytes : bytes.toString();
    }
    return Array.isArray(reply) ? reply.map((item) => this.decode(item)) : reply;
  }

  resolve(reply: unknown): void {
    if (this.#settle()) this.#resolve(reply);
  }

  reject(error: Error): void {
    if (this.#settle()) this.#reject(error);
  }

  /** Called by the clock. */
  expire(): void {
    this.reject(this.#fate.late(this));
  }

  #settle(): boolean {
    if (this.isSettled) return false;
    this.isSettled = true;
    this.#options.clock.sweep();
    this.#fate.settled(this);
    return true;
  }
}
