/** The ways to Redis: what passes on them, and a proxy that makes them long. */
import type { ChildProcess } from "node:child_process";
import { Agent, request } from "node:http";
import { LOAD_CORE } from "../support/arguments.ts";
import { answerOf, ask, end, pin, startScript } from "../support/processes.ts";
import type { RedisServer } from "../support/redis-server.ts";
import { redisWaitsOf, type Waits, waitsOf } from "../support/round-trips.ts";
import { type SlowProxy, startSlowProxy } from "../support/slow-proxy.ts";
import { TOKEN } from "./settings.ts";

/** What has come and gone at Redis, or at its REST API, without the benchmark's own. */
export interface Traffic {
  /** HTTP requests; 0 where it is not HTTP. */
  readonly requests: number;
  /** Bytes from the server that is measured. */
  readonly received: number;
  /** Bytes to it. */
  readonly sent: number;
}

/** One way to Redis. */
export interface Backend {
  /** Of the process behind the port. */
  readonly pid: number;
  readonly port: number;
  /** Leads to the same place. */
  readonly proxyPort: number;
  traffic(): Promise<Traffic>;
  /** How long the requests of a server behind the proxy wait. */
  waits(send: (n: number) => Promise<unknown>): Promise<Waits>;
  stop(): Promise<void>;
}

/** What Redis counts; the benchmark's client tells its own bytes, to be taken off. */
async function trafficOf({ client }: RedisServer): Promise<Traffic> {
  const own = { received: client.stream.bytesWritten, sent: client.stream.bytesRead };
  const info = await client.info("stats");
  const of = (field: string): number => Number(new RegExp(`${field}:(\\d+)`).exec(info)?.[1]);
  return {
    requests: 0,
    received: of("total_net_input_bytes") - own.received,
    sent: of("total_net_output_bytes") - own.sent,
  };
}

/** Redis itself. */
export async function redisBackend(redis: RedisServer): Promise<Backend> {
  const pid = Number(/process_id:(\d+)/.exec(await redis.client.info("server"))?.[1]);
  const proxy = await startSlowProxy(redis.port);
  return {
    pid,
    port: redis.port,
    proxyPort: proxy.port,
    traffic: () => trafficOf(redis),
    waits: (send) => redisWaitsOf(proxy, send),
    stop: () => proxy.stop(),
  };
}

/** One PING over HTTP, on a connection that stays open. */
function ping(proxy: SlowProxy, agent: Agent): Promise<void> {
  return new Promise((resolve, reject) => {
    const headers = { authorization: `Bearer ${TOKEN}` };
    const message = { host: "127.0.0.1", port: proxy.port, agent, method: "POST", headers };
    const sent = request(message, (answer) => answer.resume().on("end", resolve));
    sent.on("error", reject);
    sent.end(JSON.stringify(["PING"]));
  });
}

/** A REST API before it, which shares its core. */
export async function restBackend(script: string, redis: RedisServer): Promise<Backend> {
  const child: ChildProcess = startScript(script, [redis.socketPath]);
  pin(child.pid, LOAD_CORE);
  const port = await answerOf<number>(child);
  const proxy = await startSlowProxy(port);
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  return {
    pid: child.pid!,
    port,
    proxyPort: proxy.port,
    traffic: () => ask<Traffic>(child, "traffic"),
    waits: async (send) => {
      await ping(proxy, agent);
      return waitsOf(proxy, send, () => ping(proxy, agent));
    },
    stop: async () => {
      agent.destroy();
      await proxy.stop();
      await end(child);
    },
  };
}
