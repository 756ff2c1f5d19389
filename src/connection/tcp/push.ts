/** The port's messages over whatever hears them: the link to one server, or to one node of a Cluster. */
import type { KitError } from "../../errors.ts";
import type { Push } from "../port.ts";
import type { Hearer } from "./subscriptions.ts";

/** What a deployment offers. */
export interface PushPlan {
  publish(channel: string, message: string): Promise<unknown>;
  subscribe(channel: string, hearer: Hearer): () => void;
  /** Told that the server does not push, once until it does. */
  report(error: KitError): void;
}

/** Makes them. */
export function pushOver(plan: PushPlan): Push {
  let isReported = false;
  return {
    publish: async (channel, message) => void (await plan.publish(channel, message)),
    subscribe: (channel, listener) =>
      plan.subscribe(channel, {
        message: (text) => listener.message(text),
        subscribed: () => {
          isReported = false;
          listener.subscribed();
        },
        interrupted: () => listener.interrupted(),
        refused: (why) => {
          if (!isReported) plan.report(why);
          isReported = true;
        },
      }),
  };
}
