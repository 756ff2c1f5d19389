/** What the application's client must offer, so that a channel can be made of it. */
import type { KitError } from "../../errors.ts";
import type { Command, SendOptions } from "../channel.ts";

/** Why a command cannot be handed over this moment. */
export interface Obstacle {
  readonly error: KitError;
  /** It may pass while a command waits. */
  readonly mayPass: boolean;
}

/** One client, or one node of it. */
export interface Wire {
  /**
   * What stands in the way of a command for this key; undefined where it would be written to a socket
   * that is open and may carry it. A client that connects at its first command is made to connect.
   */
  obstacle(key: string | undefined): Obstacle | undefined;
  /**
   * Hands a command over, at once.
   *
   * @param signal aborted once nobody waits for the answer: what was not written must not be written any more
   */
  transmit(command: Command, options: SendOptions, signal: AbortSignal): Promise<unknown>;
  /** Explains what a client rejected with. */
  explain(error: unknown, command: Command, what: string): KitError;
  /** Every server that holds keys. */
  masters(): Promise<readonly Wire[]>;
}
