/** What a deployment must offer, so that the port can be made of it. */
import type { ConnectionState, Push } from "./port.ts";
import type { Script } from "./script.ts";

/** What a command is made of. Numbers are whole, as all of Redis's are here. */
export type Part = string | number | Buffer;

/** One command as the server gets it: its name, then its arguments. */
export type Command = readonly [name: string, ...parts: Part[]];

/** How one command is sent. */
export interface SendOptions {
  /** The key that decides which node of a Cluster is asked. Without one, any node will do. */
  readonly key?: string;
  /** Answers strings as bytes rather than as text. */
  readonly bytes?: boolean;
  /** What an error calls the command. Default: its name. */
  readonly what?: string;
  /**
   * Milliseconds in place of the channel's deadline: what the first half of a step has left over. A
   * channel that is closing lets such a second half through.
   */
  readonly within?: number;
}

/** Sends commands to one server, or to whatever server a key belongs to. */
export interface Sender {
  /**
   * Sends a command at most once and settles within the deadline, counted from this call. Replies are
   * as in RESP2: text, whole numbers, null, and arrays of these.
   *
   * @throws KitError `REDIS_TIMEOUT`, `REDIS_UNAVAILABLE`, `KIT_CLOSED`, `REDIS_COMMAND_FAILED` (its
   * `cause` holds the server's words) and what a connection's diagnosis gives; each with its `outcome`
   */
  send(command: Command, options?: SendOptions): Promise<unknown>;
}

/** A deployment that is spoken to. */
export interface Channel extends Sender {
  /** Milliseconds that a command which is sent now may take. */
  deadline(): number;
  /** Every server that holds keys: each master of a Cluster, otherwise the one that there is. */
  masters(): Promise<readonly Sender[]>;
  /** Keys may sit on several servers, so that one command may name but one. */
  readonly isSharded: boolean;
  /** What is no text is wrapped in text on its way, or refused (binary.ts). */
  readonly isTextOnly: boolean;
  readonly push: Push | undefined;
  /** A script's text and SHA as this deployment runs it. */
  textOf(script: Script<unknown>): { readonly lua: string; readonly sha: string };
  /** Resolves once commands can be answered; rejects with the diagnosis. */
  ready(): Promise<void>;
  /** Ends after the commands under way, each of which is bounded in time. */
  close(): Promise<void>;
  state(): ConnectionState;
}
