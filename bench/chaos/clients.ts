/** Clients that count in Redis: the kit's port, and the clients beside it with their defaults. */
import { Cluster, Redis } from "ioredis";
import { createClient, createCluster, createSentinel } from "redis";
import type { KitError } from "../../src/errors.ts";
import { counterScript } from "../support/counter-script.ts";
import { openPort } from "../support/port.ts";
import { MASTER_NAME } from "../support/redis-sentinel.ts";

/** Where Redis is. */
export type Place =
  | { readonly kind: "standalone"; readonly port: number }
  | { readonly kind: "cluster"; readonly ports: readonly number[] }
  | { readonly kind: "sentinel"; readonly ports: readonly number[] };

/** A client that counts. */
export interface CountingClient {
  readonly name: string;
  /** Resolves once it is connected. */
  ready(): Promise<unknown>;
  /** Adds one; rejects as the client does. */
  increment(key: string): Promise<unknown>;
  /** Whether an error says that the command certainly did not run. */
  wasNotSent(error: unknown): boolean;
  close(): void;
}

const HOST = "127.0.0.1";
function never(): boolean {
  return false;
}

/** A peer's errors are heard; what they do to commands is what is measured. */
function heard(): void {}

function portsOf(place: Place): readonly number[] {
  return place.kind === "standalone" ? [place.port] : place.ports;
}

function urlOf(place: Place): string {
  const hosts = portsOf(place).map((port) => `${HOST}:${port}`);
  if (place.kind === "sentinel") return `redis+sentinel://${hosts.join(",")}/${MASTER_NAME}`;
  return hosts.map((host) => `redis://${host}`).join(",");
}

/** The kit's port, with its default deadline of 250 ms. */
export function openKit(place: Place): CountingClient {
  const connection = openPort({ redis: urlOf(place) });
  return {
    name: "kit",
    ready: () => connection.ready(),
    increment: (key) => connection.run(counterScript, key, [1]),
    wasNotSent: (error) => (error as KitError).outcome === "notSent",
    close: () => void connection.close(),
  };
}

/** ioredis with its defaults. */
export function openIoredis(place: Place): CountingClient {
  const nodes = portsOf(place).map((port) => ({ host: HOST, port }));
  const opened = {
    standalone: () => new Redis(nodes[0]!.port, HOST),
    cluster: () => new Cluster(nodes),
    sentinel: () => new Redis({ sentinels: nodes, name: MASTER_NAME }),
  };
  const client = opened[place.kind]();
  client.on("error", heard);
  return {
    name: "ioredis",
    ready: () => client.incr("bench:ready"),
    increment: (key) => client.incr(key),
    wasNotSent: never,
    close: () => client.disconnect(),
  };
}

/** node-redis with its defaults. */
export async function openNodeRedis(place: Place): Promise<CountingClient> {
  const nodes = portsOf(place).map((port) => ({ host: HOST, port }));
  const opened = {
    standalone: () => createClient({ socket: nodes[0]! }),
    cluster: () => createCluster({ rootNodes: nodes.map((socket) => ({ socket })) }),
    sentinel: () => createSentinel({ name: MASTER_NAME, sentinelRootNodes: nodes }),
  };
  const client = opened[place.kind]();
  client.on("error", heard);
  await client.connect();
  return {
    name: "node-redis",
    ready: () => client.incr("bench:ready"),
    increment: (key) => client.incr(key),
    wasNotSent: never,
    close: () => void client.destroy(),
  };
}

/** All of them. */
export async function openAll(place: Place): Promise<CountingClient[]> {
  const clients = [openKit(place), openIoredis(place), await openNodeRedis(place)];
  await Promise.all(clients.map((client) => client.ready()));
  return clients;
}
