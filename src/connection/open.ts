/** From a Config to its one connection. */
import type { Config } from "../config.ts";
import { KitError } from "../errors.ts";
import { describeTarget, type Target } from "../config/redis-target.ts";
import { withMemoryFallback } from "./fallback.ts";
import { createMemory } from "./memory/memory.ts";
import type { Connection, ConnectionEvents } from "./port.ts";
import { openTcp, type TcpPlan } from "./tcp/tcp.ts";

/** What {@link openConnection} reports beside a connection's own events. */
export interface OpenEvents extends ConnectionEvents {
  /** Development only: Redis could not be reached, and memory took its place. */
  fallback(why: KitError): void;
}

/**
 * Opens what the configuration chose. Outside production a Redis that cannot be reached at the start is
 * replaced by memory; in production the connection keeps trying.
 *
 * @throws KitError `UNSUPPORTED_DEPLOYMENT`
 */
export function openConnection(config: Config, events: OpenEvents): Connection {
  const { target } = config;
  if (target.kind === "memory") return createMemory();
  if (target.kind !== "standalone" && target.kind !== "unix") throw unsupported(target);
  if (config.environment === "production") return openTcp(tcpPlan(config, target), events);
  let isDecided = false;
  const connection = openTcp(tcpPlan(config, target), {
    connection: (state) => {
      isDecided = true;
      events.connection(state);
    },
    // Before the decision, a failure is the reason of the fallback and is told there.
    error: (error) => {
      if (isDecided) events.error(error);
    },
  });
  return withMemoryFallback(connection, (why) => events.fallback(why));
}

function tcpPlan(
  config: Config,
  target: Extract<Target, { kind: "standalone" | "unix" }>,
): TcpPlan {
  const { tls } = config;
  const servername = tls.servername ?? (target.kind === "standalone" ? target.host : undefined);
  return {
    address:
      target.kind === "unix" ? { path: target.path } : { host: target.host, port: target.port },
    username: target.username,
    password: target.password,
    db: target.db,
    deadline: config.deadline,
    connectDeadline: config.connectDeadline,
    socket: {
      family: target.family,
      // An attempt ends before those who wait for it do, so that they are told why it failed.
      timeout: Math.ceil(config.connectDeadline * 0.8),
      attempt: { target: describeTarget(target), tls: target.tls, servername },
      tls: target.tls
        ? {
            ca: tls.ca,
            cert: tls.cert,
            key: tls.key,
            servername: tls.servername,
            verify: config.verifyTls,
            checkServerIdentity: tls.checkServerIdentity as undefined,
          }
        : undefined,
    },
  };
}

function unsupported(target: Target): KitError {
  return new KitError("UNSUPPORTED_DEPLOYMENT", {
    message: `This version does not speak to ${target.kind === "rest" ? "Upstash over REST" : target.kind === "cluster" ? "a Redis Cluster" : "Redis Sentinel"} (${describeTarget(target)}).`,
    fix: "Use one Redis server (redis://, rediss:// or unix://); Upstash databases also offer a rediss:// address.",
  });
}
