/** From a Config to its one connection. */
import type { Config } from "../config.ts";
import { describeTarget, type Target } from "../config/redis-target.ts";
import type { KitError } from "../errors.ts";
import type { Channel } from "./channel.ts";
import { openClient } from "./client/open.ts";
import { portOver } from "./commands.ts";
import { createCredentialSource, type CredentialSource } from "./credentials.ts";
import { withMemoryFallback } from "./fallback.ts";
import { createMemory } from "./memory/memory.ts";
import type { Connection, ConnectionEvents } from "./port.ts";
import { openRest, type RestPlan } from "./rest/rest.ts";
import { openCluster } from "./tcp/cluster.ts";
import {
  attemptOf,
  sentinelDestination,
  type SocketTarget,
  tcpDestination,
  tlsPlan,
  unixDestination,
} from "./tcp/destination.ts";
import type { Link, LinkPlan } from "./tcp/link.ts";
import type { NodesPlan } from "./tcp/nodes.ts";
import { pushOver } from "./tcp/push.ts";
import { openLink } from "./tcp/redis-link.ts";
import { createMasterFinder } from "./tcp/sentinel.ts";

/** What {@link openConnection} reports beside a connection's own events. */
export interface OpenEvents extends ConnectionEvents {
  /** Development only: Redis could not be reached, and memory took its place. */
  fallback(why: KitError): void;
}

/**
 * Opens what the configuration chose. Outside production a Redis that cannot be reached at the start is
 * replaced by memory; in production the connection keeps trying.
 */
export function openConnection(config: Config, events: OpenEvents): Connection {
  if (config.target.kind === "memory") return createMemory();
  if (config.environment === "production") return portOver(openChannel(config, events));
  let isDecided = false;
  const channel = openChannel(config, {
    connection: (state) => {
      isDecided = true;
      events.connection(state);
    },
    // Before the decision, a failure is the reason of the fallback and is told there.
    error: (error) => {
      if (isDecided) events.error(error);
    },
  });
  return withMemoryFallback(portOver(channel), (why) => events.fallback(why));
}

/** Opens the channel to a Redis; it connects, and reconnects, by itself. Memory has none. */
export function openChannel(config: Config, events: ConnectionEvents): Channel {
  const source = sourceOf(config);
  const channel = channelTo(config, source, events);
  if (source === undefined) return channel;
  return {
    send: (command, options) => channel.send(command, options),
    deadline: () => channel.deadline(),
    masters: () => channel.masters(),
    isSharded: channel.isSharded,
    isTextOnly: channel.isTextOnly,
    push: channel.push,
    textOf: (script) => channel.textOf(script),
    ready: () => channel.ready(),
    state: () => channel.state(),
    close: async () => {
      source.stop();
      await channel.close();
    },
  };
}

function sourceOf({ credentials, refresh, connectDeadline }: Config): CredentialSource | undefined {
  return credentials && createCredentialSource(credentials, refresh, connectDeadline * 0.8);
}

function channelTo(
  config: Config,
  source: CredentialSource | undefined,
  events: ConnectionEvents,
): Channel {
  const { target } = config;
  const planTo = (to: SocketTarget, destination: LinkPlan["destination"]): LinkPlan => ({
    attempt: attemptOf(config, to),
    destination,
    mustBeMaster: false,
    authentication: { username: to.username, password: to.password, source },
    db: to.db,
    deadline: config.deadline,
    connectDeadline: config.connectDeadline,
    idle: { timeout: config.idleTimeout, waitUntil: config.waitUntil },
  });
  switch (target.kind) {
    case "unix":
      return channelOver(
        openLink(
          planTo(target, () => unixDestination(config, target)),
          events,
        ),
        events,
      );
    case "standalone":
      return channelOver(
        openLink(
          planTo(target, () => tcpDestination(config, target, target)),
          events,
        ),
        events,
      );
    case "sentinel": {
      const findMaster = masterFinder(config, target);
      const destination = async () => tcpDestination(config, target, await findMaster());
      const plan = { ...planTo(target, destination), mustBeMaster: true };
      return channelOver(openLink(plan, events), events);
    }
    case "cluster": {
      const { deadline, connectDeadline } = config;
      const open: NodesPlan["open"] = (node, toNode) =>
        openLink(
          planTo(target, () => tcpDestination(config, target, node)),
          toNode,
        );
      const attempt = attemptOf(config, target);
      return openCluster({ seeds: target.nodes, attempt, deadline, connectDeadline, open }, events);
    }
    case "rest":
      return openRest(restPlan(config, target, source), events);
    case "client":
      return openClient(target, config, events);
    default:
      throw new Error(`No channel leads to ${target.kind}.`);
  }
}

function restPlan(
  config: Config,
  target: Extract<Target, { kind: "rest" }>,
  credentials: CredentialSource | undefined,
): RestPlan {
  const { tls, deadline, connectDeadline } = config;
  const isTls = target.url.startsWith("https:");
  const servername = tls.servername ?? target.host;
  return {
    url: target.url,
    token: target.token,
    credentials,
    deadline,
    connectDeadline,
    attempt: { target: describeTarget(target), tls: isTls, servername },
    tls: isTls ? tlsPlan(config, tls.servername, target.host) : undefined,
  };
}

/** A link is a channel to a deployment of one server. */
function channelOver(link: Link, events: ConnectionEvents): Channel {
  return {
    send: (command, options) => link.send(command, options),
    deadline: () => link.deadline(),
    masters: async () => [link],
    isSharded: false,
    isTextOnly: false,
    push: pushOver({
      publish: (channel, message) => link.send(["PUBLISH", channel, message]),
      subscribe: (channel, hearer) => link.subscribe(channel, hearer),
      report: (error) => events.error(error),
    }),
    textOf: (script) => script,
    ready: () => link.ready(),
    close: () => link.close(),
    state: () => link.state(),
  };
}

/** Sentinels have users of their own, and a dead one must not take the time that its neighbour needs. */
function masterFinder(config: Config, target: Extract<SocketTarget, { kind: "sentinel" }>) {
  const connectDeadline = Math.min(config.connectDeadline, Math.max(500, config.deadline * 2));
  const hasty = { ...config, connectDeadline };
  return createMasterFinder({
    ...target,
    open: (sentinel) =>
      openLink(
        {
          attempt: attemptOf(config, target),
          destination: () => sentinelDestination(hasty, target, sentinel),
          mustBeMaster: false,
          authentication: { ...config.sentinelAuth, source: undefined },
          db: 0,
          deadline: config.deadline,
          connectDeadline,
          idle: { timeout: undefined, waitUntil: undefined },
        },
        { connection: () => {}, error: () => {} },
      ),
  });
}
