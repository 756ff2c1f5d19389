import { once } from "node:events";
import { createServer as createNetServer, type Server } from "node:net";
import { createServer as createTlsServer } from "node:tls";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "@jest/globals";
import { type Authority, createAuthority } from "../support/certificates.ts";
import { openWatched, rejection } from "../support/connections.ts";
import { until } from "../support/redis-server.ts";

/** A server that is not Redis, and what it could read of its clients. */
interface Impostor {
  readonly port: number;
  heard: string;
  connections: number;
}

describe("an impostor in Redis's place", () => {
  let own: Authority;
  let foreign: Authority;
  const servers: Server[] = [];
  beforeAll(async () => {
    [own, foreign] = await Promise.all([createAuthority(), createAuthority("Foreign CA")]);
  });
  afterEach(async () => {
    for (const server of servers.splice(0)) server.close();
  });
  afterAll(() => {
    own.remove();
    foreign.remove();
  });

  const listen = async (server: Server, hears: "connection" | "secureConnection") => {
    const impostor = { port: 0, heard: "", connections: 0 };
    servers.push(server);
    server.on("connection", () => (impostor.connections += 1));
    server.on("tlsClientError", () => {});
    server.on(hears, (socket) => {
      socket.on("error", () => {});
      socket.on("data", (bytes: Buffer) => (impostor.heard += bytes.toString("latin1")));
      socket.write("+OK\r\n");
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    impostor.port = (server.address() as { port: number }).port;
    return impostor as Impostor;
  };
  const attempt = async (impostor: Impostor) => {
    const url = `rediss://user:s3cret-passw0rd@127.0.0.1:${impostor.port}`;
    const { connection } = openWatched({ redis: { url, ca: own.ca }, connectDeadline: "1s" });
    const error = await rejection(connection.ready());
    await rejection(connection.set("session:1", "s3cret-session", { ttl: 1000 }));
    // It tries again, so that not only the first attempt is judged.
    await until(() => impostor.connections >= 3, "three attempts");
    return error;
  };

  it("with a certificate that nobody trusts decrypts nothing", async () => {
    const { cert, key } = await foreign.issue("127.0.0.1");
    const impostor = await listen(createTlsServer({ cert, key }), "secureConnection");
    expect((await attempt(impostor)).code).toBe("TLS_CERTIFICATE_REJECTED");
    expect(impostor.heard).toBe("");
  });

  it("with a trusted certificate of another name decrypts nothing", async () => {
    const { cert, key } = await own.issue("evil.example");
    const impostor = await listen(createTlsServer({ cert, key }), "secureConnection");
    expect((await attempt(impostor)).code).toBe("TLS_CERTIFICATE_REJECTED");
    expect(impostor.heard).toBe("");
  });

  it("that speaks plaintext hears a TLS greeting and no password", async () => {
    const impostor = await listen(createNetServer(), "connection");
    expect((await attempt(impostor)).code).toBe("TLS_NOT_OFFERED");
    expect(impostor.heard).not.toBe("");
    expect(impostor.heard).not.toMatch(/AUTH|HELLO|s3cret/);
  });

  it("that accepts and stays silent is found out within the connect deadline", async () => {
    const server = createNetServer((socket) => {
      socket.on("error", () => {});
      socket.resume();
    });
    servers.push(server);
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as { port: number };
    const { connection } = openWatched({
      redis: { url: `rediss://127.0.0.1:${port}`, ca: own.ca },
      connectDeadline: "300ms",
    });
    expect((await rejection(connection.ready())).code).toBe("TLS_NOT_OFFERED");
  });
});
