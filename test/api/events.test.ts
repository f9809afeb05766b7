/** Events: their order, what whoever comes back gets, and what a slow client costs. */

import { describe, expect, it } from "vitest";
import { EventHub, type Listener } from "../../src/api/event-hub.ts";

function listener(hears: (event: string) => boolean = () => true): Listener & { frames: string[]; events: () => string[] } {
  const frames: string[] = [];
  const events = () => frames.map((frame) => /^event: (.*)$/m.exec(frame)?.[1] ?? "");
  return { frames, events, hears, send: (frame) => frames.push(frame), end: () => {} };
}

const idOf = (frame: string | undefined) => /^id: (.*)$/m.exec(frame ?? "")?.[1];

describe("the hub of events", () => {
  it("gives whoever comes back what was missed, and nothing twice", () => {
    const hub = new EventHub();
    const [early, late] = [listener(), listener()];
    const leave = hub.listen(early, undefined);
    hub.publish("status", { n: 1 });
    leave();
    hub.publish("tenants", { n: 2 });
    hub.publish("status", { n: "a\nb" });
    hub.listen(late, idOf(early.frames[0]));
    hub.publish("status", { n: 4 });
    expect(early.frames).toHaveLength(1);
    expect(late.events()).toEqual(["tenants", "status", "status"]);
    // A line break in the data would end it.
    expect(late.frames[1]?.split("\n").filter((line) => line.startsWith("data: "))).toEqual(['data: {"n":"a\\nb"}']);
  });

  it.each(["", "x", "-1", "0123456789ab-1", "0123456789ab-99999999999999999999", "../../etc-1"])(
    "tells whoever names an event that it does not have, %j, to ask for all again",
    (id) => {
      const hub = new EventHub();
      hub.publish("status", {});
      const back = listener();
      hub.listen(back, id);
      expect(back.events()).toEqual(["reset"]);
      const again = listener();
      hub.publish("status", {});
      hub.listen(again, idOf(back.frames[0]));
      expect(again.events()).toEqual(["status"]);
    },
  );

  it("keeps only so many, and none from before a time in which nobody looked", () => {
    const hub = new EventHub();
    const first = listener();
    hub.listen(first, undefined);
    for (let n = 0; n < 1_200; n++) hub.publish("status", { n });
    const [old, recent] = [listener(), listener()];
    hub.listen(old, idOf(first.frames[10]));
    hub.listen(recent, idOf(first.frames[1_000]));
    expect(old.events()).toEqual(["reset"]);
    expect(recent.frames).toHaveLength(199);
    hub.publish("tenants", { text: "x".repeat(300_000) });
    const afterHuge = listener();
    hub.listen(afterHuge, idOf(first.frames[1_199]));
    expect(afterHuge.events()).toEqual(["reset"]);
    hub.forget();
    const afterPause = listener();
    hub.listen(afterPause, idOf(first.frames.at(-1)));
    expect(afterPause.events()).toEqual(["reset"]);
  });

  it("tells nobody what is not for him", () => {
    const hub = new EventHub();
    const guest = listener((event) => event !== "operation");
    hub.listen(guest, undefined);
    hub.publish("status", {});
    hub.publish("operation", {});
    const back = listener((event) => event !== "operation");
    hub.listen(back, idOf(guest.frames[0]));
    expect([guest.events(), back.events()]).toEqual([["status"], []]);
  });
});
