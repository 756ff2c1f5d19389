/** Listeners for tests, and all that they are told, in order. */
import type { Connection } from "../../src/connection/port.ts";
import type { RedisServer } from "./redis-server.ts";

/** One that listens. */
export interface Listening {
  /** `subscribed`, `interrupted`, and each message behind a `>`. */
  readonly told: string[];
  /** The messages alone. */
  messages(): string[];
  readonly isSubscribed: () => boolean;
  /** How often it was told so. */
  count(what: "subscribed" | "interrupted"): number;
  leave(): void;
}

/** Listens to a channel over a connection that pushes. */
export function listen(connection: Connection, channel = "news"): Listening {
  const told: string[] = [];
  const leave = connection.push!.subscribe(channel, {
    message: (text) => void told.push(`>${text}`),
    subscribed: () => void told.push("subscribed"),
    interrupted: () => void told.push("interrupted"),
  });
  return {
    told,
    messages: () => told.filter((what) => what.startsWith(">")).map((what) => what.slice(1)),
    isSubscribed: () => told.findLast((what) => !what.startsWith(">")) === "subscribed",
    count: (what) => told.filter((each) => each === what).length,
    leave,
  };
}

/** How many connections listen to a channel at a server. */
export async function listenersAt(
  { client }: Pick<RedisServer, "client">,
  channel = "news",
): Promise<number> {
  const [, count] = (await client.call("PUBSUB", "NUMSUB", channel)) as [string, number];
  return count;
}
