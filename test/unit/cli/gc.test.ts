import { describe, expect, it } from 'vitest';
import { gcJson, gcText } from '../../../src/cli/gc.ts';
import type { GcItem } from '../../../src/host/gc-item.ts';

const items: GcItem[] = [
  { app: 'web', kind: 'network', name: '/run/netns/metactl-web' },
  { app: undefined, kind: 'nft', name: 'metactl' },
];

describe('gc', () => {
  it('tells each thing and whose it was', () => {
    expect(gcText(items, false)).toBe('removed network /run/netns/metactl-web of web\nremoved nft metactl\n');
    expect(gcText(items, true)).toMatch(/^would remove network .*\nwould remove nft metactl\n$/);
    expect(gcText([], false)).toBe('nothing was left behind\n');
  });

  it('has a stable shape as JSON', () => {
    expect(JSON.parse(gcJson(items, true))).toEqual({
      dryRun: true,
      items: [
        { app: 'web', kind: 'network', name: '/run/netns/metactl-web' },
        { app: null, kind: 'nft', name: 'metactl' },
      ],
    });
  });
});
