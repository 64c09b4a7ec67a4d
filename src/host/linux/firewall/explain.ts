import type { ForwardJudgement } from './judge.ts';
import type { Fate } from './walk.ts';

/** What a foreign firewall does to the apps, and what the administrator can do about it. */
export interface Explanation {
  /** `Docker's rules (ip filter FORWARD) drop …` */
  readonly text: string;
  /** Commands, joined by `&&`. */
  readonly command: string;
  /** Nothing gets through, for certain, in a direction that this node needs. */
  readonly certain: boolean;
}

/**
 * @param incoming Whether the uplink's network is to reach the apps (there is a pool, or ports are published).
 * @returns undefined for a chain that lets all of it pass. Pure.
 */
export function explain(judgement: ForwardJudgement, incoming: boolean): Explanation | undefined {
  const { outgoing, hook } = judgement;
  if (hook === 'input' || hook === 'netdev') return undefined;
  const arriving: Fate = incoming ? judgement.incoming : 'passes';
  if (outgoing === 'passes' && arriving === 'passes') return undefined;
  const sure = [
    ...(outgoing === 'dropped' ? ['connections of apps to other machines'] : []),
    ...(arriving === 'dropped' ? ['connections from other machines to apps'] : []),
  ];
  const possible = [
    ...(outgoing === 'depends' ? ['connections of apps to other machines'] : []),
    ...(arriving === 'depends' ? ['connections from other machines to apps'] : []),
  ];
  const parts = [
    ...(sure.length > 0 ? [`drops ${sure.join(' and ')}`] : []),
    ...(possible.length > 0 ? [`may drop ${possible.join(' and ')}`] : []),
  ];
  return {
    text: `${placeOf(judgement)} ${parts.join(', and ')}`,
    command: commandFor(judgement, incoming),
    certain: sure.length > 0,
  };
}

/**
 * What is worth knowing though it keeps nothing from being forwarded: chains for packets to this host itself, and rules that are
 * not followed. Pure.
 */
export function explainBeside({ hook, tool, table, outgoing }: ForwardJudgement): string | undefined {
  if (hook === 'netdev')
    return `rules of ${table} at the ingress or egress of devices are not followed: what they drop never gets to an app`;
  if (hook !== 'input' || outgoing === 'passes') return undefined;
  const verb = outgoing === 'dropped' ? 'drops' : 'may drop';
  return `${OWNERS[tool]} ${verb} connections of apps to this host itself; an app that needs a service of it needs a rule for links named mt-*`;
}

const OWNERS: Readonly<Record<ForwardJudgement['tool'], string>> = {
  Docker: "Docker's firewall",
  firewalld: 'firewalld',
  ufw: 'ufw',
  iptables: 'the firewall made by iptables',
  nftables: 'the nftables firewall',
};

function placeOf({ tool, family, table, chain, legacy }: ForwardJudgement): string {
  return `${OWNERS[tool]} (${legacy ? 'iptables-legacy, ' : ''}${family} ${table}, chain ${chain})`;
}

/** How each tool is told to let the apps' links be. Whole commands, to be pasted. Pure. */
export function commandFor(judgement: ForwardJudgement, incoming: boolean): string {
  const { tool, family, table, chain, legacy, hook } = judgement;
  if (hook !== 'forward') return `nft list chain ${family} ${table} ${chain}`;
  const iptables = `${family === 'ip6' ? 'ip6tables' : 'iptables'}${legacy ? '-legacy' : ''}`;
  const inserted = (where: string) => [
    `${iptables} -I ${where} -i mt-+ -j ACCEPT`,
    // Answers to what apps asked come by this direction too.
    `${iptables} -I ${where} -o mt-+ ${incoming ? '' : '-m conntrack --ctstate RELATED,ESTABLISHED '}-j ACCEPT`,
  ];
  return {
    Docker: () => inserted('DOCKER-USER'),
    iptables: () => inserted('FORWARD'),
    ufw: () => ['ufw route allow in on mt-+', ...(incoming ? ['ufw route allow out on mt-+'] : [])],
    firewalld: () => [
      'firewall-cmd --permanent --zone=trusted --add-interface=mt-+',
      ...(incoming
        ? [
            'firewall-cmd --permanent --new-policy=to-metactl',
            'firewall-cmd --permanent --policy=to-metactl --add-ingress-zone=ANY --add-egress-zone=trusted --set-target=ACCEPT',
          ]
        : []),
      'firewall-cmd --reload',
    ],
    nftables: () => [
      `nft insert rule ${family} ${table} ${chain} iifname '"mt-*"' accept`,
      `nft insert rule ${family} ${table} ${chain} oifname '"mt-*"' ${incoming ? '' : 'ct state established,related '}accept`,
    ],
  }
    [tool]()
    .join(' && ');
}
