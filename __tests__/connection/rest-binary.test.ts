import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import * as fc from "fast-check";
import { decodeBytes, encodeBytes } from "../../src/connection/binary.ts";
import { rejection } from "../support/connections.ts";
import { openRestChannel } from "../support/rest-channel.ts";
import { type RedisServer, startRedis } from "../support/redis-server.ts";
import { type RestEmulator, startRestEmulator } from "../support/rest-emulator.ts";

const bytes = fc.uint8Array({ maxLength: 300 }).map((array) => Buffer.from(array));
const marked = fc
  .tuple(fc.constantFrom("@base64:", "@base64", "@base64:@base64:", "@base64:////"), fc.string())
  .map(([marker, text]) => marker + text);

describe("the encoding", () => {
  it("gives every value back", () => {
    const value = fc.oneof(
      bytes,
      marked,
      fc.string({ unit: "binary" }),
      marked.map((text) => Buffer.from(text)),
    );
    fc.assert(
      fc.property(value, (given) => {
        const stored = Buffer.from(encodeBytes(given));
        expect(decodeBytes(stored).equals(Buffer.from(given as string))).toBe(true);
      }),
    );
  });

  it("leaves text as it is, for other clients to read", () => {
    for (const text of ["", "a", "é\u{1F600}", "\uFEFFbom", '{"a":1}', "\0\r\n"]) {
      expect(encodeBytes(text)).toBe(text);
      expect(encodeBytes(Buffer.from(text))).toBe(text);
    }
  });

  it("leaves what others wrote behind the marker as it is", () => {
    for (const text of ["@base64:no base64", "@base64:YQ", "@base64:YQ===", "@base64:YR=="]) {
      expect(decodeBytes(Buffer.from(text)).toString()).toBe(text);
    }
  });
});

describe("over REST", () => {
  let server: RedisServer;
  let emulator: RestEmulator;
  beforeAll(async () => {
    server = await startRedis();
    emulator = await startRestEmulator({ socketPath: server.socketPath });
  });
  afterAll(async () => {
    await emulator.stop();
    await server.stop();
  });

  it("every value comes back as it was, text or bytes", async () => {
    const { connection } = openRestChannel(emulator.url);
    await fc.assert(
      fc.asyncProperty(fc.oneof(bytes, marked), async (value) => {
        await connection.set("k", value, { ttl: 60_000 });
        const expected = Buffer.from(value as string);
        expect(await connection.getBytes("k")).toEqual(expected);
        expect(await connection.get("k")).toBe(expected.toString());
      }),
      { numRuns: 50 },
    );
  });

  it("text is stored as text, and bytes as the marker and base64", async () => {
    const { connection } = openRestChannel(emulator.url);
    await connection.set("text", Buffer.from("é"), { ttl: 60_000 });
    await connection.set("bytes", Buffer.from([255, 0]), { ttl: 60_000 });
    expect(await server.client.get("text")).toBe("é");
    expect(await server.client.get("bytes")).toBe("@base64:/wA=");
  });

  it("bytes that another client wrote are read as they are", async () => {
    const { connection } = openRestChannel(emulator.url);
    await server.client.set("k", Buffer.from([0, 255, 128]));
    expect(await connection.getBytes("k")).toEqual(Buffer.from([0, 255, 128]));
  });

  it("a lone surrogate is written as U+FFFD, as over a socket", async () => {
    const { connection } = openRestChannel(emulator.url);
    await connection.set("k", "a\uD800b", { ttl: 60_000 });
    expect(emulator.requests.at(-1)!.commands[0]![2]).toBe("a\uFFFDb");
    expect(await server.client.get("k")).toBe("a\uFFFDb");
  });

  it("bytes where only text can stand are refused before anything is sent", async () => {
    const { channel } = openRestChannel(emulator.url);
    await channel.ready();
    const before = emulator.requests.length;
    const error = await rejection(channel.send(["SADD", "set", Buffer.from([255])]));
    expect(error).toMatchObject({ code: "REDIS_COMMAND_FAILED", outcome: "notSent" });
    expect(emulator.requests).toHaveLength(before);
    expect(await channel.send(["SADD", "set", Buffer.from("text")])).toBe(1);
  });
});
