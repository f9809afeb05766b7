import { expect, it } from "vitest";
import { comesHome, groupsOf } from "../../src/rehearse/written-together.ts";

const column = (name: string, ...uses: string[]) => ({ name, uses });

it("columns that are made of one another are written together", () => {
  const there = [
    column("id", "id"),
    column("body", "description"),
    column("summary", "description"),
    column("name", "given", "family"),
  ];
  const home = [column("id", "id"), column("description", "body"), column("given", "name"), column("family", "name")];
  expect(groupsOf(there, home)).toEqual([["id"], ["body", "summary"], ["name"]]);
  expect(comesHome(there, home)).toBe(true);
});

it("what does not come home is not written, and its row does not go and come again", () => {
  const there = [column("id", "id"), column("total", "cents", "rate"), column("rate", "rate"), column("note", "note")];
  const home = [column("id", "id"), column("rate", "rate"), column("note", "note")];
  expect(groupsOf(there, home)).toEqual([["id"], ["note"]]);
  expect(comesHome(there, home)).toBe(false);
});
