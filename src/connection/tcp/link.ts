/** A link: one server of a deployment, spoken to over one socket at a time. */
import type { Sender } from "../channel.ts";
import type { ConnectionState } from "../port.ts";
import type { AuthenticationPlan } from "./authentication.ts";
import type { ClientPlan } from "./client.ts";
import type { IdlePlan } from "./idle.ts";
import type { Hearer } from "./subscriptions.ts";

/** What a link needs to know. */
export interface LinkPlan extends ClientPlan {
  readonly authentication: AuthenticationPlan;
  readonly idle: Pick<IdlePlan, "timeout" | "waitUntil">;
}

/** A server that is spoken to. */
export interface Link extends Sender {
  /** Milliseconds for which a command may wait for this server; 0 when it is known to be away. */
  patience(): number;
  deadline(): number;
  /** A command that is asked for now would be sent. */
  isUp(): boolean;
  /** Listens to a channel until the answer is called. */
  subscribe(channel: string, hearer: Hearer): () => void;
  ready(within?: number): Promise<void>;
  close(): Promise<void>;
  state(): ConnectionState;
}
