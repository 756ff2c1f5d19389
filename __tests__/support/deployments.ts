/** The places that limits are counted in, for one suite that runs over all of them. */
import { afterAll, beforeAll, beforeEach, describe } from "@jest/globals";
import type { KitOptions } from "express-redis-kit";
import { startCluster } from "./redis-cluster.ts";
import { startRedis } from "./redis-server.ts";
import { startRestEmulator } from "./rest-emulator.ts";

interface Deployment {
  readonly options: KitOptions;
  flush(): Promise<unknown>;
  stop(): Promise<unknown>;
}

const DEPLOYMENTS: readonly [string, () => Promise<Deployment>][] = [
  [
    "in memory",
    async () => ({
      options: { redis: false },
      flush: async () => {},
      stop: async () => {},
    }),
  ],
  [
    "over TCP",
    async () => {
      const server = await startRedis({ tcp: true });
      return {
        options: { redis: server.url },
        flush: () => server.client.flushall(),
        stop: () => server.stop(),
      };
    },
  ],
  [
    "on a Cluster",
    async () => {
      const cluster = await startCluster();
      return {
        options: { redis: cluster.url },
        flush: () => cluster.flush(),
        stop: () => cluster.stop(),
      };
    },
  ],
  [
    "over REST",
    async () => {
      const server = await startRedis();
      const rest = await startRestEmulator({ socketPath: server.socketPath, tokens: ["token"] });
      return {
        options: { redis: { url: rest.url, token: "token" } },
        flush: () => server.client.flushall(),
        stop: async () => {
          await rest.stop();
          await server.stop();
        },
      };
    },
  ],
];

/** Declares a suite for each of them; `options` makes a kit that uses it, with an empty database. */
export function describeDeployments(
  title: string,
  declare: (options: () => KitOptions) => void,
): void {
  describe.each(DEPLOYMENTS)(`${title}, %s`, (_name, start) => {
    let deployment: Deployment;
    beforeAll(async () => {
      deployment = await start();
    }, 30_000);
    beforeEach(() => deployment.flush());
    afterAll(() => deployment.stop());
    declare(() => deployment.options);
  });
}
