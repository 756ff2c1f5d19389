import { describe, expect, it } from "@jest/globals";
import { readRedirection, readTopology, SLOTS } from "../../src/connection/tcp/topology.ts";

const node = (host: string | null, port: number, ...rest: unknown[]) => [host, port, "id", ...rest];

describe("CLUSTER SLOTS", () => {
  it("gives a master that holds several ranges once, and all its slots to that one", () => {
    const reply = [
      [0, 99, node("10.0.0.1", 1), node("10.0.0.3", 3)],
      [100, 100, node("10.0.0.2", 2)],
      [101, SLOTS - 1, node("10.0.0.1", 1)],
    ];
    const { owners, masters, replicas } = readTopology(reply, "asked");
    expect(masters.map(({ port }) => port)).toEqual([1, 2]);
    expect(replicas.map(({ port }) => port)).toEqual([3]);
    expect(owners).toHaveLength(SLOTS);
    expect(owners[0]).toBe(masters[0]);
    expect(owners[100]).toBe(masters[1]);
    expect(owners[SLOTS - 1]).toBe(masters[0]);
  });

  it("leaves slots that nobody holds undefined", () => {
    const { owners } = readTopology([[5, 6, node("10.0.0.1", 1)]], "asked");
    expect([4, 5, 6, 7].map((slot) => owners[slot]?.port)).toEqual([undefined, 1, 1, undefined]);
  });

  it("takes an unknown address for the host that was asked, and keeps a name beside an address", () => {
    const reply = [
      [0, 1, node(null, 1)],
      [2, 3, node("", 2)],
      [4, 5, node("10.0.0.1", 3, ["hostname", "redis.example"])],
      [6, 7, node("?", 4, ["ip", "10.0.0.4"])],
      [8, 9, node("?", 5)],
    ];
    expect(readTopology(reply, "asked").masters).toEqual([
      { host: "asked", port: 1, name: undefined },
      { host: "asked", port: 2, name: undefined },
      { host: "10.0.0.1", port: 3, name: "redis.example" },
      { host: "10.0.0.4", port: 4, name: undefined },
      { host: "asked", port: 5, name: undefined },
    ]);
  });
});

describe("a redirection", () => {
  it.each([
    ["MOVED 3999 127.0.0.1:6381", { slot: 3999, to: { host: "127.0.0.1", port: 6381 } }],
    ["ASK 0 ::1:6381", { slot: 0, to: { host: "::1", port: 6381 } }],
    ["MOVED 1 :6381", { slot: 1, to: { host: "asked", port: 6381 } }],
    ["MOVED 16384 127.0.0.1:6381", undefined],
    ["MOVED __proto__ 127.0.0.1:6381", undefined],
    ["ERR MOVED 1 127.0.0.1:6381", undefined],
    ["", undefined],
  ])("%s", (words, expected) => {
    expect(readRedirection(words, "asked")).toEqual(expected);
  });
});
