/** What every connection must do with bytes: many values at once, scripts that are given bytes, and text in their place. */
import { expect, it } from "@jest/globals";
import type { Connection } from "../../src/connection/port.ts";
import { rejection } from "./connections.ts";
import { addMember, keep, length } from "./scripts.ts";

const BYTES = Buffer.from([0, 255, 128, 13, 10, 0, 0xc3, 0x28, 36, 42]);
const ttl = 60_000;

/** Declares it. `open` answers the connection of the test, to an empty database. */
// oxlint-disable-next-line jest/no-export -- a suite that several files declare
export function declareBytes(open: () => Connection): void {
  it("answers many values at once, in the order of their keys, and null where there is none", async () => {
    const connection = open();
    const names = Array.from({ length: 40 }, (_, n) => `m:${n}`);
    await Promise.all(names.map((key) => connection.set(key, `${key} é`, { ttl })));
    await connection.set("bytes", BYTES, { ttl });
    await connection.set("empty", "", { ttl });
    const asked = ["none:1", ...names, "bytes", "none:2", "empty", "bytes"];
    expect(await connection.mgetBytes(asked)).toEqual([
      null,
      ...names.map((key) => Buffer.from(`${key} é`)),
      BYTES,
      null,
      Buffer.alloc(0),
      BYTES,
    ]);
    expect(await connection.mgetBytes(["bytes"])).toEqual([BYTES]);
    expect(await connection.mgetBytes(["none:1"])).toEqual([null]);
  });

  it("answers what a key holds now, not what an earlier caller did to the bytes", async () => {
    const connection = open();
    await connection.set("bytes", BYTES, { ttl });
    (await connection.mgetBytes(["bytes"]))[0]!.fill("x");
    expect(await connection.mgetBytes(["bytes"])).toEqual([BYTES]);
  });

  it("answers null for a Set among many values", async () => {
    const connection = open();
    await connection.set("text", "text", { ttl });
    await connection.run(addMember, "set", ["a", ttl]);
    expect(await connection.mgetBytes(["set", "text"])).toEqual([null, Buffer.from("text")]);
  });

  it("hands a script its bytes as they are, or refuses them before anything is sent", async () => {
    const connection = open();
    const all = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
    for (const bytes of [BYTES, all]) {
      if (connection.isTextOnly()) {
        const error = await rejection(connection.run(keep, "k", [bytes, ttl]));
        expect(error).toMatchObject({ code: "REDIS_COMMAND_FAILED", outcome: "notSent" });
        expect(await connection.get("k")).toBeNull();
      } else {
        expect(await connection.run(keep, "k", [bytes, ttl])).toBe(bytes.length);
        expect(await connection.getBytes("k")).toEqual(bytes);
      }
    }
  });

  it("hands a script text and bytes that are text alike", async () => {
    const connection = open();
    for (const text of ["", "a", "é\u{1F600}\r\n\0$5", "x".repeat(100_000)]) {
      for (const given of [text, Buffer.from(text)]) {
        expect(await connection.run(keep, "k", [given, ttl])).toBe(Buffer.byteLength(text));
        expect(await connection.get("k")).toBe(text);
      }
    }
  });

  it("keeps what a script was given, whatever the caller does to it later", async () => {
    const connection = open();
    const mine = Buffer.from("before");
    await connection.run(keep, "k", [mine, ttl]);
    mine.fill("x");
    expect(await connection.get("k")).toBe("before");
  });

  it("says whether it carries text only, before and after it is ready, and means it", async () => {
    const connection = open();
    const isTextOnly = connection.isTextOnly();
    await connection.ready();
    expect(connection.isTextOnly()).toBe(isTextOnly);
    // Seen through a script: as long as the value, or wrapped in more.
    await connection.set("k", BYTES, { ttl });
    expect((await connection.run(length, "k", [])) === BYTES.length).toBe(!isTextOnly);
    expect(await connection.getBytes("k")).toEqual(BYTES);
  });
}
