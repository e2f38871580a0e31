// The byte pair encoding of OpenAI's CLIP. Unlike in Python, text that was
// decoded wrongly (mojibake) is not repaired.
const PATTERN =
  /<start_of_text>|<end_of_text>|'s|'t|'re|'ve|'m|'ll|'d|\p{L}+|\p{N}|[^\s\p{L}\p{N}]+/giu;

// Printable signs that stand for bytes, in the order of the vocabulary.
function listSigns() {
  const range = (a, b) => Array.from({length: b - a + 1}, (_, i) => a + i);
  const bytes = [...range(33, 126), ...range(161, 172), ...range(174, 255)];
  const signs = bytes.map((b) => String.fromCharCode(b));
  let extra = 0;
  for (const b of range(0, 255)) {
    if (!bytes.includes(b)) {
      bytes.push(b);
      signs.push(String.fromCharCode(256 + extra++));
    }
  }
  return {bytes, signs};
}

export class Tokenizer {
  // merges: the text of merges.txt, a pair in each line.
  constructor(merges) {
    const {bytes, signs} = listSigns();
    const pairs = merges.trimEnd().split('\n');
    this.ranks = new Map(pairs.map((pair, i) => [pair, i]));
    const words = [...signs, ...signs.map((s) => s + '</w>'),
                   ...pairs.map((pair) => pair.replace(' ', '')),
                   '<start_of_text>', '<end_of_text>'];
    this.ids = new Map(words.map((word, i) => [word, i]));
    this.signs = new Map(bytes.map((b, i) => [b, signs[i]]));
  }

  // The token ids of a text, without those of its start and end.
  encode(text) {
    const found = [];
    for (const [word] of clean(text).matchAll(PATTERN)) {
      if (this.ids.has(word) && /^<(start|end)_of_text>$/.test(word)) {
        found.push(this.ids.get(word));
        continue;
      }
      const bytes = new TextEncoder().encode(word);
      const parts = Array.from(bytes, (b) => this.signs.get(b));
      parts[parts.length - 1] += '</w>';
      found.push(...this.merge(parts).map((part) => this.ids.get(part)));
    }
    return found;
  }

  // Join the pair that was merged first, until there is none left.
  merge(parts) {
    while (parts.length > 1) {
      let best = Infinity;
      for (let i = 0; i + 1 < parts.length; i++) {
        const rank = this.ranks.get(`${parts[i]} ${parts[i + 1]}`);
        best = Math.min(best, rank ?? Infinity);
      }
      if (best === Infinity) break;
      const joined = [];
      for (let i = 0; i < parts.length; i++) {
        if (this.ranks.get(`${parts[i]} ${parts[i + 1]}`) === best) {
          joined.push(parts[i] + parts[++i]);
        } else {
          joined.push(parts[i]);
        }
      }
      parts = joined;
    }
    return parts;
  }
}

function clean(text) {
  for (let i = 0; i < 2; i++) {  // as in Python, twice
    text = new DOMParser().parseFromString(
      text.replaceAll('<', '&lt;'), 'text/html').documentElement.textContent;
  }
  return text.normalize('NFC').replace(/[\u2018-\u201b]/g, "'")
    .replace(/[\u201c-\u201f]/g, '"')  // and ligatures and wide letters
    .replace(/[\ufb00-\ufb06\uff01-\uff5e\u3000]/g, (c) => c.normalize('NFKC'))
    .trim().replace(/\s+/g, ' ').toLowerCase();
}
