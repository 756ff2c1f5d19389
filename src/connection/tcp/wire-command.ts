/**
 * One command on its way over ioredis: written as it is, settled once, bounded in time.
 *
 * It is a Command of ioredis's without what that does for each: flattening and transforming arguments,
 * looking for keys, wrapping promises, tracing, timers. Half of a command's cost was there.
 */
import { Command as IoredisCommand } from "ioredis";
import type { Command, Part, SendOptions } from "../channel.ts";
import type { Timed } from "./deadlines.ts";

/** Told what becomes of each command. */
export interface Fate {
  /** The server answered: a reply, or an error of its own. */
  answered(): void;
  /** Settled, however. */
  settled(): void;
  /** Explains a failure. Without an error, there was no answer in time. */
  explain(wire: WireCommand, error: Error | undefined): Error;
  /** Whether the command, which certainly did not run, shall be sent once more. */
  resend(wire: WireCommand, error: Error): Promise<unknown> | undefined;
}

/** Bytes as text, at any depth. */
function textual(reply: unknown): unknown {
  if (Buffer.isBuffer(reply)) return reply.toString();
  return Array.isArray(reply) ? reply.map(textual) : reply;
}

function bulk(part: string | number): string {
  const text = typeof part === "string" ? part : String(part);
  return `$${Buffer.byteLength(text)}\r\n${text}\r\n`;
}

/** RESP's array of bulk strings; bytes only where there is a part that is not text. */
function encode(command: Command): string | Buffer {
  let text = `*${command.length}\r\n`;
  let chunks: Buffer[] | undefined;
  for (const part of command as readonly Part[]) {
    if (typeof part === "object") {
      chunks ??= [];
      chunks.push(Buffer.from(`${text}$${part.length}\r\n`), part);
      text = "\r\n";
    } else {
      text += bulk(part);
    }
  }
  return chunks === undefined ? text : Buffer.concat([...chunks, Buffer.from(text)]);
}

const NONE: readonly never[] = [];

/** A command that ioredis can send, and whose promise settles once. */
export class WireCommand implements Timed {
  /** Settles with a reply, or with what {@link Fate.explain} makes of a failure. */
  readonly promise: Promise<unknown>;
  isSettled = false;
  isExtended = false;
  next: Timed | undefined = undefined;
  due: number;
  /** By `performance.now()`. */
  readonly sentAt: number;
  /** Milliseconds. */
  readonly deadline: number;
  /** It was sent before, and did not run. */
  readonly isSecond: boolean;
  readonly command: Command;
  readonly options: SendOptions;
  readonly #fate: Fate;
  #keep!: (value: unknown) => void;
  #refuse!: (error: Error) => void;
  /** What ioredis asks of a command. */
  readonly name: string;
  readonly args: readonly Part[] = NONE;
  readonly isTraced = true;
  readonly inTransaction = false;

  constructor(
    command: Command,
    options: SendOptions,
    deadline: number,
    isSecond: boolean,
    fate: Fate,
  ) {
    this.command = command;
    this.name = command[0];
    this.options = options;
    this.deadline = deadline;
    this.isSecond = isSecond;
    this.#fate = fate;
    this.sentAt = performance.now();
    this.due = this.sentAt + deadline;
    this.promise = new Promise((resolve, reject) => {
      this.#keep = resolve;
      this.#refuse = reject;
    });
  }

  /** What an error calls it. */
  get what(): string {
    return this.options.what ?? this.name;
  }

  setReplyContext(): void {}

  toWritable(): string | Buffer {
    return encode(this.command);
  }

  resolve(reply: unknown): void {
    this.#fate.answered();
    if (this.isSettled) return;
    this.isSettled = true;
    this.#keep(this.options.bytes ? reply : textual(reply));
    this.#fate.settled();
  }

  reject(error: Error): void {
    if (error.name === "ReplyError") this.#fate.answered();
    if (!this.isSettled) this.#fail(error);
  }

  expire(): void {
    this.#fail(undefined);
  }

  #fail(error: Error | undefined): void {
    this.isSettled = true;
    const again = error && !this.isSecond ? this.#fate.resend(this, error) : undefined;
    if (again === undefined) this.#refuse(this.#fate.explain(this, error));
    else this.#keep(again);
    this.#fate.settled();
  }
}

/** SUBSCRIBE or UNSUBSCRIBE of one channel. Whoever sends it does so anew on another socket. */
export class PushCommand extends WireCommand {
  /** ioredis counts them: each is answered by a push of its own. */
  override readonly args: readonly Part[];
  readonly #onReply: () => void;

  /** `onReply` is called as the answer is read, however late, and before whatever follows it. */
  constructor(command: Command, deadline: number, fate: Fate, onReply: () => void) {
    super(command, {}, deadline, true, fate);
    this.args = command.slice(1);
    this.#onReply = onReply;
  }

  override resolve(reply: unknown): void {
    super.resolve(reply);
    this.#onReply();
  }
}

// Whatever else ioredis may ask of a command, it has; only the constructor is not run.
Object.setPrototypeOf(WireCommand.prototype, IoredisCommand.prototype);
