# ruff: noqa: E501
"""The page's style sheet. Here and not in a file of its own, so that an installed package has it."""

STYLE = """
.gradio-container { max-width: 1280px !important; margin: 0 auto !important; padding: 12px 16px !important; }
#head h1 { font-size: 1.45rem; font-weight: 650; margin: 0 0 .35rem; }
#head .warning { background: #fff4d6; color: #5c4300; border-left: 4px solid #e0a100; padding: .45rem .7rem; margin: 0 0 .5rem; }
#head summary, #found summary { cursor: pointer; font-size: .9rem; }
#head table, #found table { border-collapse: collapse; font-size: .88rem; margin: .3rem 0; }
#head th, #head td, #found th, #found td { text-align: left; padding: .18rem .7rem .18rem 0; border-bottom: 1px solid var(--border-color-primary); vertical-align: top; }
#found td { font-variant-numeric: tabular-nums; }
#found th { font-weight: 500; }
#found .wide th:first-child { white-space: nowrap; }
#head code { overflow-wrap: anywhere; }
#head table, #found table, #head tr, #found tr, #head th, #found th, #head td, #found td { border-left: 0 !important; border-right: 0 !important; border-top: 0 !important; }
#head, #found, #message, #picture, #downloads, #give, #result, #give > *, #result > * { min-width: 0 !important; max-width: 100%; }
#upload label { white-space: normal; }
.wide { overflow-x: auto; }
#samples { gap: 6px; }
#samples button { min-width: 0 !important; flex: 1 1 100%; justify-content: flex-start; text-align: left; white-space: normal; }
#message p { padding: .5rem .75rem; margin: 0; border-radius: 6px; overflow-wrap: anywhere; }
#message .good { background: #e3f5ef; color: #0c4a3c; }
#message .bad { background: #fde7e4; color: #7a1a10; }
#message { min-height: 2.6rem; }
#picture img { display: block; width: 100%; height: auto; max-height: 78vh; object-fit: contain; background: #101010; border-radius: 6px; }
#layers label { align-items: center; }
#layers label::before { content: ''; width: .85rem; height: .85rem; border-radius: 3px; border: 1px solid #0005; margin-right: .1rem; }
#downloads { margin-top: .4rem; }
#downloads a { display: inline-block; margin: 0 .6rem .4rem 0; padding: .45rem .8rem; border-radius: 6px; background: #0f766e; color: #fff; text-decoration: none; }
#found h2 { font-size: 1.1rem; font-weight: 650; margin: 0 0 .4rem; }
#found h3 { font-size: .95rem; font-weight: 600; margin: .8rem 0 .25rem; }
#found h3 em { font-style: normal; color: #0f766e; }
#found .note { background: #eef2f7; color: #26324a; padding: .4rem .6rem; border-radius: 6px; margin: 0 0 .4rem; font-size: .88rem; }
#found s { display: inline-block; width: .8rem; height: .8rem; border-radius: 3px; border: 1px solid #0005; margin-right: .4rem; vertical-align: -1px; text-decoration: none; }
#found .bar { display: grid; grid-template-columns: minmax(2rem, 9rem) 1fr 3.4rem; gap: .5rem; align-items: center; font-size: .88rem; margin: .12rem 0; }
#found section:not(.experts) .bar { grid-template-columns: minmax(2rem, max-content) 1fr 3.4rem; }
#found .bar i { display: flex; height: 1rem; background: var(--border-color-primary); border-radius: 3px; overflow: hidden; }
#found .bar b { background: #8bb8b3; height: 100%; font-size: .7rem; line-height: 1rem; color: #fff; text-align: center; overflow: hidden; }
#found .bar.chosen b { background: #0f766e; }
#found .bar.chosen span { font-weight: 650; }
#found .experts .bar { grid-template-columns: 9rem 1fr; }
#found .experts .bar span:last-child { display: none; }
#found .experts .expert0 { background: #0072b2; }
#found .experts .expert1 { background: #b34700; }
#found .experts .expert2 { background: #00795a; }
#found .experts .expert3 { background: #9b4d7c; }
#found .experts .expert4 { background: #5b4a9c; }
#found .experts .expert5 { background: #6b5300; }
.dark #head .warning { background: #4a3800; color: #ffe9b0; }
.dark #message .good { background: #0c3b31; color: #cdf3e6; }
.dark #message .bad { background: #571711; color: #ffd9d4; }
.dark #found .note { background: #26324a; color: #e3eaf6; }
.dark #found h3 em { color: #5eead4; }
@media (max-width: 640px) {
  .gradio-container { width: 100vw !important; max-width: 100vw !important; min-width: 0 !important; box-sizing: border-box; }
  .gradio-container .main, .gradio-container .wrap, .gradio-container main, .gradio-container .column { min-width: 0 !important; }
  .gradio-container main, .gradio-container .main { padding: 8px 0 !important; }
  #give, #result { flex-direction: column; }
  #give > *, #result > *, #upload { width: 100% !important; }
  #head td, #head th { padding-right: .4rem; }
  #head th { overflow-wrap: anywhere; }
  .gradio-container { padding: 8px !important; }
  #head h1 { font-size: 1.2rem; }
}
"""
