/** One server, reached through a proxy in plaintext and through another one over TLS. */
import type { KitOptions } from "express-redis-kit";
import { createAuthority } from "./certificates.ts";
import { type RedisServer, startRedis } from "./redis-server.ts";
import { startProxy, type TcpProxy } from "./tcp-proxy.ts";

/** How the kit speaks to the server. */
export type Transport = "plain" | "TLS";

/** Both, for `describe.each`. */
export const TRANSPORTS: readonly Transport[] = ["plain", "TLS"];

/** The server and what leads to it. */
export interface TwoWays {
  readonly redis: RedisServer;
  proxy(transport: Transport): TcpProxy;
  /** What a kit needs to go through the proxy; JSON. */
  options(transport: Transport): KitOptions;
  /** What a kit needs to go past the proxy. */
  direct(transport: Transport): KitOptions;
  /** The kits' connections as the server sees them, by id. */
  connections(): Promise<string[]>;
  /** Empties the server, and puts new proxies in the place of the old ones. */
  renew(): Promise<void>;
  stop(): Promise<void>;
}

/** Starts the server. It has no proxies until `renew`. */
export async function startTwoWays(): Promise<TwoWays> {
  const authority = await createAuthority();
  const { certFile, keyFile } = await authority.issue("127.0.0.1");
  const tls = { ca: authority.caFile, cert: certFile, key: keyFile };
  const redis = await startRedis({ tcp: true, tls });
  const proxies = new Map<Transport, TcpProxy>();
  const portOf = (transport: Transport) => (transport === "TLS" ? redis.tlsPort : redis.port);
  const optionsTo = (transport: Transport, port: number): KitOptions => ({
    redis:
      transport === "TLS"
        ? { url: `rediss://127.0.0.1:${port}`, ca: authority.ca }
        : `redis://127.0.0.1:${port}`,
  });
  const proxy = (transport: Transport): TcpProxy => proxies.get(transport)!;
  const stopProxies = async (): Promise<void> => {
    await Promise.all([...proxies.values()].map((one) => one.stop()));
  };
  return {
    redis,
    proxy,
    options: (transport) => optionsTo(transport, proxy(transport).port),
    direct: (transport) => optionsTo(transport, portOf(transport)),
    connections: async () => {
      const list = String(await redis.client.client("LIST"));
      return list
        .split("\n")
        .filter((line) => line.includes("name=express-redis-kit"))
        .map((line) => /^id=(\d+)/.exec(line)![1]!);
    },
    renew: async () => {
      await stopProxies();
      await redis.client.flushall();
      for (const transport of TRANSPORTS) {
        // eslint-disable-next-line no-await-in-loop -- two of them
        proxies.set(transport, await startProxy({ port: portOf(transport) }));
      }
    },
    stop: async () => {
      await stopProxies();
      await redis.stop();
      authority.remove();
    },
  };
}
