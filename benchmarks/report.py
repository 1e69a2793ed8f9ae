"""Results of benchmarks/run.py as a Markdown table and as a picture (SVG): ratios over each peer, one group of bars per model."""
import math
import statistics

COLOURS = {"onnxruntime": "#4c78a8", "openvino": "#72b7b2", "onednn_primitives": "#bab0ac"}


def ratio(result, engine):
    """How many times as long as ours the peer takes; above 1 we are ahead. The median of the rounds' own ratios: what else the machine did fell on both."""
    latency = result["latency_ms"]
    if engine not in latency:
        return None
    theirs, ours = latency[engine]["p50"], latency["tenon"]["p50"]
    if "rounds" in theirs and "rounds" in ours:
        return statistics.median(a / b for a, b in zip(theirs["rounds"], ours["rounds"]))
    return theirs["median"] / ours["median"]  # of a document of before


def geometric_mean(values):
    return math.exp(statistics.fmean(math.log(value) for value in values)) if values else None


def gain_of_several(result, engine):
    """How many times as many runs a second we do as the peer when several are under way at once; above 1 we are ahead."""
    rates = result.get("runs_per_second", {})
    return rates["tenon"]["median"] / rates[engine]["median"] if engine in rates else None


def without_peers(results):
    lines = [f"* {result['model']}, {peer}: {reason}" for result in results for peer, reason in result.get("without", {}).items()]
    return "\nPeers that are left out:\n\n" + "\n".join(lines) + "\n" if lines else ""


def left_out(results):
    """Models without times, and why."""
    def reason(result):
        lines = result.get("refused", "its outputs differ from those of the first peer").splitlines()
        return lines[min(1, len(lines) - 1)].strip()[:200]  # the first problem follows the number of them

    lines = [f"* {result['model']}: {reason(result)}" for result in results]
    return "\nNot measured:\n\n" + "\n".join(lines) + "\n" if lines else ""


def markdown(document):
    peers, results = document["peers"], [result for result in document["results"] if "latency_ms" in result]
    head = ["model", "Tenon ms", *(f"{peer} ms" for peer in peers), *(f"{peer} / Tenon" for peer in peers), "p99 / p50", "build s, warm", "first answer ms (peers)", "peak MiB (peers)"]
    accurate = any("accuracy" in result for result in results)
    streams = document.get("streams", 0)
    head += [f"runs/s, {streams} at once (peers)"] if streams else []
    head += ["largest error, cosine (peers)"] if accurate else []
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    for result in results:
        latency = result["latency_ms"]
        mine = latency["tenon"]
        cells = [result["model"], f"{mine['p50']['median']:.3g} [{mine['p50']['min']:.3g}, {mine['p50']['max']:.3g}]"]
        cells += [f"{latency[peer]['p50']['median']:.3g} [{latency[peer]['p50']['min']:.3g}, {latency[peer]['p50']['max']:.3g}]" if peer in latency else "" for peer in peers]
        cells += [f"{ratio(result, peer):.2f}" if peer in latency else "" for peer in peers]
        cold = result.get("cold", {})
        others = [peer for peer in peers if peer in cold]
        cells.append(f"{mine['p99']['median'] / mine['p50']['median']:.2f}")
        cells.append(f"{result['build_s']['cold']:.1f}, {result['build_s']['warm']:.1f}")
        cells.append(f"{cold['tenon']['first_answer_ms']:.0f} ({', '.join(format(cold[peer]['first_answer_ms'], '.0f') for peer in others)})" if cold else "")
        cells.append(f"{cold['tenon']['peak_rss_mib']:.0f} ({', '.join(format(cold[peer]['peak_rss_mib'], '.0f') for peer in others)})" if cold else "")
        if streams:
            rates = {engine: format(each["median"], ".3g" if each["median"] < 1000 else ".0f") for engine, each in result.get("runs_per_second", {}).items()}
            cells.append(f"{rates['tenon']} ({', '.join(rates.get(peer, '-') for peer in peers)})" if rates else "")
        if accurate:
            found = result.get("accuracy", {})
            texts = {engine: f"{each['largest']:.1e}, {each['cosine']:.5f}" for engine, each in found.items()}
            cells.append(" ".join([texts["tenon"], *(f"({peer}: {texts[peer]})" for peer in peers if peer in texts)]) if texts else "")
        lines.append("| " + " | ".join(cells) + " |")
    for peer in peers:
        ratios = [ratio(result, peer) for result in results if peer in result["latency_ms"]]
        if ratios:
            lines.append(f"\nGeometric mean over {peer}: {geometric_mean(ratios):.2f} ({len(ratios)} models, lowest {min(ratios):.2f}).")
        gains = [gain for result in results if (gain := gain_of_several(result, peer)) is not None]
        if gains:
            lines.append(f"With {streams} at once: {geometric_mean(gains):.2f} times its runs a second ({len(gains)} models, lowest {min(gains):.2f}).")
    return "\n".join(lines) + "\n" + without_peers(results) + left_out([result for result in document["results"] if result not in results])


def picture(document):
    results = [result for result in document["results"] if "latency_ms" in result]
    peers = [peer for peer in document["peers"] if any(peer in result["latency_ms"] for result in results)]
    rows = [(result["model"], [(peer, ratio(result, peer)) for peer in peers if peer in result["latency_ms"]]) for result in results]
    bar, gap, left, width = 14, 12, 170, 720
    top = 46
    height = top + sum(bar * len(bars) + gap for _, bars in rows) + 24
    widest = max([value for _, bars in rows for _, value in bars] + [1.2])
    scale = (width - left - 70) / widest
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" font-family="sans-serif" font-size="12">',
             f'<rect width="{width}" height="{height}" fill="white"/>',
             f'<text x="12" y="20" font-size="14">Time of each engine over Tenon\'s, {document["threads"]} threads, batch 1 (right of the line: Tenon is faster)</text>']
    for i, peer in enumerate(peers):
        parts.append(f'<rect x="{left + 150 * i}" y="28" width="10" height="10" fill="{COLOURS.get(peer, "#999")}"/><text x="{left + 150 * i + 14}" y="37">{peer}</text>')
    y = top
    for name, bars in rows:
        parts.append(f'<text x="{left - 8}" y="{y + bar * len(bars) / 2 + 4}" text-anchor="end">{name}</text>')
        for peer, value in bars:
            parts.append(f'<rect x="{left}" y="{y}" width="{value * scale:.1f}" height="{bar - 2}" fill="{COLOURS.get(peer, "#999")}"/>')
            parts.append(f'<text x="{left + value * scale + 4:.1f}" y="{y + bar - 4}" font-size="11">{value:.2f}</text>')
            y += bar
        y += gap
    parts.append(f'<line x1="{left + scale:.1f}" y1="{top - 4}" x2="{left + scale:.1f}" y2="{y - gap + 4}" stroke="black" stroke-dasharray="3 3"/>')
    return "\n".join(parts) + "\n</svg>\n"
