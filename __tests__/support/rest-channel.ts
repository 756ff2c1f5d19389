/** Channels over REST for tests: opened towards an emulator, closed after each test. */
import { afterEach } from "@jest/globals";
import type { KitError } from "express-redis-kit";
import type { Channel } from "../../src/connection/channel.ts";
import { portOver } from "../../src/connection/commands.ts";
import type { Connection, ConnectionState } from "../../src/connection/port.ts";
import { openRest, type RestPlan } from "../../src/connection/rest/rest.ts";

/** A channel, its port, and all that it reported. */
export interface WatchedChannel {
  readonly channel: Channel;
  readonly connection: Connection;
  readonly errors: KitError[];
  readonly states: ConnectionState[];
}

const opened: Channel[] = [];

afterEach(async () => {
  await Promise.all(opened.splice(0).map((channel) => channel.close()));
});

/** Opens a channel to an address, with the token `token` unless the plan says otherwise. */
export function openRestChannel(url: string, plan: Partial<RestPlan> = {}): WatchedChannel {
  const errors: KitError[] = [];
  const states: ConnectionState[] = [];
  const channel = openRest(
    {
      url,
      token: "token",
      credentials: undefined,
      deadline: 1000,
      connectDeadline: 3000,
      tls: undefined,
      attempt: { target: url, tls: url.startsWith("https:"), servername: undefined },
      ...plan,
    },
    {
      connection: (state) => void states.push(state),
      error: (error) => void errors.push(error),
    },
  );
  opened.push(channel);
  return { channel, connection: portOver(channel), errors, states };
}
