/** Flag of /proc/net/route (linux/route.h). */
const RTF_UP = 1;

/** Device of the default route with the lowest metric in the text of /proc/net/route. Pure. */
export function defaultDevice(text: string): string | undefined {
  return text
    .split('\n')
    .slice(1)
    .map((line) => line.trim().split(/\s+/))
    .filter((fields) => fields.length >= 8 && fields[1] === '00000000' && fields[7] === '00000000')
    .filter((fields) => (Number.parseInt(fields[3]!, 16) & RTF_UP) !== 0)
    .sort((a, b) => Number(a[6]) - Number(b[6]))[0]?.[0];
}
