/** From a client of the application's to the channel through it. */
import type { Config } from "../../config.ts";
import { type ClientTarget, describeTarget } from "../../config/redis-target.ts";
import type { Channel } from "../channel.ts";
import type { ConnectionEvents, Guarantee } from "../port.ts";
import { createClientChannel } from "./channel.ts";
import { noAnswer } from "./failures.ts";
import {
  ofIoredis,
  ofIoredisCluster,
  ofNodeRedis,
  ofUpstash,
  type ResendOptions,
} from "./guarantees.ts";
import { ioredisClusterWire, ioredisWire } from "./ioredis.ts";
import { nodeRedisClusterWire, nodeRedisWire } from "./node-redis.ts";
import { furtherAttempts, obeysSignals, upstashWire } from "./upstash.ts";
import type { Wire } from "./wire.ts";

interface Spoken {
  readonly wire: Wire;
  /** Read anew each time, since the application may change its client's options. */
  unguaranteed(): readonly Guarantee[];
}

function overIoredis(target: ClientTarget, { hosts }: Config): Spoken {
  const { options } = target.client as { options: ResendOptions };
  return target.isCluster
    ? { wire: ioredisClusterWire(target, hosts), unguaranteed: () => ofIoredisCluster(options) }
    : { wire: ioredisWire(target, hosts), unguaranteed: () => ofIoredis(options) };
}

function overUpstash(target: ClientTarget): Spoken {
  let isAbortable = false;
  obeysSignals(target).then(
    (obeys) => (isAbortable = obeys),
    () => {}, // Then it is not proven.
  );
  return {
    wire: upstashWire(target),
    unguaranteed: () => ofUpstash(furtherAttempts(target), isAbortable),
  };
}

function speak(target: ClientTarget, config: Config): Spoken {
  switch (target.library) {
    case "ioredis":
      return overIoredis(target, config);
    case "node-redis":
      return {
        wire: target.isCluster ? nodeRedisClusterWire(target, config.hosts) : nodeRedisWire(target),
        unguaranteed: ofNodeRedis,
      };
    default:
      return overUpstash(target);
  }
}

/** Opens the channel through a client; the client is never configured, and never closed. */
export function openClient(
  target: ClientTarget,
  config: Config,
  events: ConnectionEvents,
): Channel {
  const isUpstash = target.library === "@upstash/redis";
  const spoken = speak(target, config);
  return createClientChannel(
    spoken.wire,
    {
      kind: isUpstash ? "rest" : "tcp",
      target: describeTarget(target),
      tls: target.isEncrypted,
      deadline: config.deadline,
      connectDeadline: config.connectDeadline,
      isSharded: target.isCluster,
      isTextOnly: isUpstash,
      unguaranteed: () => spoken.unguaranteed(),
      textOf: (script) => (isUpstash ? script.keyLocking : script),
      noAnswer: (ms) => noAnswer(target, ms),
    },
    events,
  );
}
