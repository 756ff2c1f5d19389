import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import tls from "node:tls";
import { afterAll, beforeAll, beforeEach, describe, expect, it, jest } from "@jest/globals";
import type { RestPlan } from "../../src/connection/rest/rest.ts";
import type { TlsPlan } from "../../src/connection/tcp/socket.ts";
import { type Authority, createAuthority } from "../support/certificates.ts";
import { rejection } from "../support/connections.ts";
import { openRestChannel } from "../support/rest-channel.ts";
import { type RedisServer, startRedis, until } from "../support/redis-server.ts";
import { type RestEmulator, startRestEmulator } from "../support/rest-emulator.ts";
import { startProxy } from "../support/tcp-proxy.ts";

let server: RedisServer;
let authority: Authority;
let emulator: RestEmulator;

beforeAll(async () => {
  server = await startRedis();
  authority = await createAuthority();
  const identity = await authority.issue("localhost");
  emulator = await startRestEmulator({ socketPath: server.socketPath, tls: identity });
});
beforeEach(async () => {
  emulator.heal();
  await server.client.flushall();
});
afterAll(async () => {
  await emulator.stop();
  await server.stop();
  authority.remove();
});

/** A channel that trusts the authority, to `url` or to the emulator. */
function open(
  own: Partial<TlsPlan> = {},
  url: string = emulator.url,
  plan: Partial<RestPlan> = {},
) {
  const settings: TlsPlan = {
    ca: authority.ca,
    cert: undefined,
    key: undefined,
    servername: undefined,
    verify: true,
    checkServerIdentity: undefined,
    ...own,
  };
  const servername = settings.servername ?? "localhost";
  return openRestChannel(url, {
    tls: settings,
    attempt: { target: url, tls: true, servername },
    ...plan,
  });
}

it("speaks to a server whose certificate is verified", async () => {
  const { channel } = open();
  await channel.ready();
  expect(await channel.send(["INCR", "n"])).toBe(1);
  expect(channel.state()).toMatchObject({ kind: "rest", state: "ready", tls: true });
  expect(emulator.requests.at(-1)!.headers.host).toBe(`localhost:${emulator.port}`);
});

describe("no token leaves", () => {
  const refusals: [string, Partial<TlsPlan>, RegExp][] = [
    ["to a server that no trusted authority vouches for", { ca: undefined }, /REDIS_CA/],
    ["to a server that has another name", { servername: "other.test" }, /REDIS_SERVERNAME/],
  ];
  it.each(refusals)("%s", async (_what, settings, fix) => {
    const before = emulator.requests.length;
    const { channel, errors } = open(settings);
    const error = await rejection(channel.send(["INCR", "n"]));
    expect(error).toMatchObject({ code: "TLS_CERTIFICATE_REJECTED", outcome: "notSent" });
    expect(error.fix).toMatch(fix);
    expect(errors.map(({ code }) => code)).toEqual(["TLS_CERTIFICATE_REJECTED"]);
    expect(emulator.requests).toHaveLength(before);
  });

  it("over a socket that somebody's patch of node:tls left unverified", async () => {
    const { connect: genuine } = tls;
    const patched = jest
      .spyOn(tls, "connect")
      .mockImplementation(((options: tls.ConnectionOptions) =>
        genuine({ ...options, rejectUnauthorized: false })) as typeof genuine);
    const before = emulator.requests.length;
    const { channel } = open({ ca: undefined });
    const error = await rejection(channel.ready());
    await channel.close();
    patched.mockRestore();
    expect(error).toMatchObject({ code: "TLS_NOT_PROVEN", outcome: "notSent" });
    expect(emulator.requests).toHaveLength(before);
  });

  it("in clear text", async () => {
    const proxy = await startProxy({ port: emulator.port });
    const { channel } = open({}, `https://localhost:${proxy.port}`);
    await channel.send(["SET", "k", "s3cret-value"]);
    expect(proxy.sent().length).toBeGreaterThan(100);
    expect(proxy.sent()).not.toMatch(/Bearer|s3cret/);
    await channel.close();
    await proxy.stop();
  });

  it("to a port that speaks no TLS", async () => {
    const plain = await startRestEmulator({ socketPath: server.socketPath });
    const { channel } = open({}, `https://localhost:${plain.port}`);
    const error = await rejection(channel.ready());
    expect(error).toMatchObject({ code: "TLS_NOT_OFFERED", outcome: "notSent" });
    expect(error.fix).toContain("https://");
    expect(plain.requests).toEqual([]);
    await channel.close();
    await plain.stop();
  });
});

it("takes a server as it is only where the configuration allows that", async () => {
  const { channel } = open({ ca: undefined, verify: false });
  expect(await channel.send(["INCR", "n"])).toBe(1);
});

it("asks for the certificate of the name that it is told", async () => {
  const identity = await authority.issue("cache.test");
  const named = await startRestEmulator({ socketPath: server.socketPath, tls: identity });
  const { channel } = open({ servername: "cache.test" }, named.url);
  expect(await channel.send(["INCR", "n"])).toBe(1);
  await channel.close();
  await named.stop();
});

describe("a server that asks for a client certificate", () => {
  it("gets it", async () => {
    const identity = { ...(await authority.issue("localhost")), ca: authority.ca };
    const mutual = await startRestEmulator({ socketPath: server.socketPath, tls: identity });
    const { cert, key } = await authority.issue("client");
    const { channel } = open({ cert, key }, mutual.url);
    expect(await channel.send(["INCR", "n"])).toBe(1);
    await channel.close();
    await mutual.stop();
  });

  it("refuses those who have none: nothing ran", async () => {
    const identity = { ...(await authority.issue("localhost")), ca: authority.ca };
    const mutual = await startRestEmulator({ socketPath: server.socketPath, tls: identity });
    const { channel } = open({}, mutual.url);
    const error = await rejection(channel.send(["INCR", "n"]));
    expect(error).toMatchObject({ code: "TLS_CERTIFICATE_REJECTED", outcome: "notSent" });
    expect(error.fix).toContain("REDIS_CERT");
    expect(await server.client.exists("n")).toBe(0);
    await channel.close();
    await mutual.stop();
  });
});

it("knows of a request that was lost over TLS that it may have run", async () => {
  const { channel } = open();
  await channel.ready();
  emulator.fail({ kind: "close", when: "after" }, 1);
  const error = await rejection(channel.send(["INCR", "n"]));
  expect(error).toMatchObject({ code: "REDIS_UNAVAILABLE", outcome: "maybeExecuted" });
  expect(await server.client.get("n")).toBe("1");
});

it("does not send a command whose time was over before the connection was there", async () => {
  const proxy = await startProxy({ port: emulator.port });
  const { channel } = open({}, `https://localhost:${proxy.port}`, { deadline: 5000 });
  await channel.ready();
  proxy.cut();
  proxy.delayConnects(300);
  await until(() => proxy.open() === 0, "the connection is gone");
  const late = rejection(channel.send(["INCR", "late"], { within: 50 }));
  const patient = channel.send(["INCR", "n"]);
  expect(await late).toMatchObject({ code: "REDIS_UNAVAILABLE", outcome: "notSent" });
  expect(await patient).toBe(1);
  expect(await server.client.exists("late")).toBe(0);
  await channel.close();
  await proxy.stop();
});

describe("a connection that fails before anything was sent", () => {
  let dropped = 0;
  let toDrop = 0;
  let gate: ReturnType<typeof createServer>;
  let url = "";
  const sockets = new Set<Socket>();
  beforeAll(async () => {
    gate = createServer((socket) => {
      sockets.add(socket);
      socket.on("error", () => {});
      if (dropped < toDrop) {
        dropped += 1;
        socket.destroy();
        return;
      }
      const inner = connect(emulator.port, "127.0.0.1");
      inner.on("error", () => {});
      socket.pipe(inner).pipe(socket);
    }).listen(0, "127.0.0.1");
    await once(gate, "listening");
    url = `https://localhost:${(gate.address() as { port: number }).port}`;
  });
  afterAll(() => {
    for (const socket of sockets) socket.destroy();
    gate.close();
  });

  async function openReady() {
    [dropped, toDrop] = [0, 0];
    const watched = open({}, url, { deadline: 2000 });
    await watched.channel.ready();
    for (const socket of sockets) socket.destroy();
    await once([...sockets].at(-1)!, "close");
    return watched;
  }

  it("is tried once more within the deadline", async () => {
    const { channel, errors } = await openReady();
    toDrop = 1;
    expect(await channel.send(["INCR", "n"])).toBe(1);
    expect(dropped).toBe(1);
    expect(errors).toEqual([]);
  });

  it("is tried once more, and not twice", async () => {
    const { channel } = await openReady();
    toDrop = 2;
    const error = await rejection(channel.send(["INCR", "n"]));
    expect(error).toMatchObject({ code: "REDIS_UNAVAILABLE", outcome: "notSent" });
    expect(dropped).toBe(2);
  });
});
