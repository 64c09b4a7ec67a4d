import { expect, it } from 'vitest';
import { noNetlink } from '../../../../src/host/linux/rtnetlink.ts';

const told = (text: string) => noNetlink(new Error(text)).message;

it('tells a package that is not there from one that lacks another, and from one that does not load', () => {
  const hint = 'it is an optional dependency: run `npm install` without --omit=optional';
  expect(noNetlink(new Error("Cannot find module 'netlink'\nRequire stack:\n- /x"))).toMatchObject({
    ...{ message: "the npm package `netlink` isn't there", code: 'METACTL_NO_NETLINK', hint },
  });
  expect(told("Cannot find package 'netlink' imported from /x")).toBe("the npm package `netlink` isn't there");
  expect(told("Cannot find module 'node-gyp-build'\nRequire stack:\n- /x")).toBe(
    "the npm package `netlink` can't be loaded: it needs `node-gyp-build`, which isn't there",
  );
  expect(told('No native build was found for platform=linux\n    loaded from: /x')).toBe(
    "the npm package `netlink` can't be loaded: No native build was found for platform=linux",
  );
});
