"""The words of other people's code, in English and French: what methods are called, and what arguments mean."""

from __future__ import annotations

import functools
import re
from collections.abc import Collection

#: The contract's operations.
FORWARD, DELTA, GRADIENT = "forward", "backward_delta", "backward_update_gradient"
UPDATE, ZERO = "update_parameters", "zero_grad"
OPERATIONS = (FORWARD, DELTA, GRADIENT, UPDATE, ZERO)
#: What does both halves of the way back at once.
BACKWARD = "backward"

# --- methods ---------------------------------------------------------------------------------------------------------

FORWARDS = (
    "forward", "feed_forward", "feedforward", "forward_propagation", "forward_propagate", "forward_prop", "forwardprop",
    "forward_pass", "fprop", "propagate_forward", "propagate", "calcule", "calculer", "propage", "propager", "propagation",
    "propagation_avant", "avant",
)  # fmt: skip
#: What gives a network's output.
OUTPUTS = ("predict", *FORWARDS, "scores", "predict_proba", "think", "query", "run")
BACKWARDS = (
    "backward", "backward_pass", "backprop", "backpropagate", "back_propagate", "backpropagation", "back_propagation",
    "backward_propagation", "backward_propagate", "backward_prop", "backwardprop", "back_prop", "propagate_backward", "bprop",
    "back", "backwards", "backpass", "back_pass", "retropropage", "retropropager", "retropropagation", "arriere",
)  # fmt: skip
#: Those of a network of the contract, the statement's first.
CONTRACT_BACKWARDS = (GRADIENT, "backward", DELTA, *BACKWARDS[1:])
#: What an activation or a loss is, and its derivative.
VALUES = (
    "forward", "loss", "calculate", "compute", "compute_loss", "compute_cost", "compute_error", "calculate_loss", "calc_loss",
    "get_loss", "activate", "activation", "apply", "cost", "function", "func", "fn", "value", "evaluate", "eval", "f",
    "__call__", "call",
)  # fmt: skip
DERIVATIVES = (
    "derivative", "prime", "gradient", "gradients", "grad", "deriv", "differentiate", "diff", "derivate", "activation_prime",
    "activation_derivative", "loss_prime", "loss_derivative", "cost_derivative", "gradient_loss", "dloss", "d_loss", "delta",
    "delta_L", "df", "dfn", "df_dx", "compute_gradient", "compute_gradients", "compute_grad", "compute_derivative",
    "calculate_gradient", "calc_gradient", "get_gradient", "get_grad", "backward_activation", "d",
)  # fmt: skip
UPDATES = (UPDATE, "update_params", "update_weights")
ZEROS = (
    ZERO, "zero_gradient", "zero_gradients", "zero_grad_parameters", "reset_gradient", "reset_gradients", "reset_grad",
)  # fmt: skip
TRAINS = (
    "fit", "train", "learn", "entrainer", "entraine", "entrainement", "apprendre", "apprend", "apprentissage", "train_on_batch",
    "train_step",
)  # fmt: skip
ADDS = (
    "add", "add_layer", "addLayer", "append", "add_module", "push", "ajouter", "ajoute", "ajouter_module", "ajouter_couche",
    "insert",
)  # fmt: skip


#: What a regularisation is called, or the flag that asks for it.
REG = re.compile(
    r"^(reg|l2|l2_?reg\w*|reg_?(lambda|strength)|regulari[sz]ation\w*|(weight_?)?decay(_?lambda)?|lambd\w*|lamda)$", re.I
)


@functools.lru_cache(4096)
def core(name: str) -> str:
    """A name without case and underscores."""
    return re.sub("[^a-z0-9]", "", name.lower())


def apart(name: str) -> str:
    """A name with an underscore between its words: MiniBatchGD is Mini_Batch_GD."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name)


def first_method(held: object, names: Collection[str]) -> str:
    """The first of these names that is a method; empty if none is."""
    kind = held if isinstance(held, type) else type(held)
    own = any("__call__" in vars(k) for k in kind.__mro__[:-1])
    return next((n for n in names if callable(getattr(held, n, None)) and (n != "__call__" or own)), "")


def written(held: type, names: Collection[str]) -> list[str]:
    """These names as a class writes them: private, as ``_backward``, and in the plural, too; in their order."""
    spelt: dict[str, str] = {}
    for name in sorted(dir(held), key=lambda n: n[:1] == "_", reverse=True):  # one without an underscore is meant first
        if name[:2] != "__" or name == "__call__":
            spelt[name if name == "__call__" else core(name).rstrip("s")] = name
    found = (n if hasattr(held, n) else spelt.get(core(n).rstrip("s"), "") for n in names if n != "__call__" or n in spelt)
    return [n for n in dict.fromkeys(found) if n]


# --- arguments -------------------------------------------------------------------------------------------------------

_NUMBER = r"(nb?|num|number|nombre|dim|size|taille)?(of|de)?"
_SIZE = r"(size|dim(ension)?s?|shape|nodes?|units?|neurons?|num|layer(size|dim|features)?|f(eat(ure)?s?)?|s)?"
_OF_DATA = r"(train(ing)?|b|batch|true|data|list|array|vec(tor)?|values?)?"
#: What an argument means, by its name without case, accents, underscores and digits. A name may mean several things: who asks
#: says among which, and the first of them is meant.
MEANINGS = {
    # what a training is given
    "x val": r"(x|inputs?)(test|val.*)",
    "y val": r"(y|t|labels?|targets?)(test|val.*)",
    "none": r".*(test|callback).*|.*val(id.*)?|val(x|y|data|set|split|labels?|targets?|inputs?|loss|acc|frac|ratio|every).*",
    "quiet": r".*(verbose|print|display|plot|show|log|debug|every).*",
    "epochs": r"(?!crit).*(epoch|iter(?!ator|able)|ntimes).*|(n|num|max).*steps|(nb?|max|nombre)?(de)?(epoques?|ite)(max|nb)?",
    "batch": r"(taille|size)?(de)?(mini)?(batch|lot)s?(size|taille|num)?|bs(ize)?",
    "dataset": r"data(set)?",
    "loader": r"(train(ing)?)?(data)?loader|batches",
    # what goes forward and back
    "yhat": r"y?hat|y?pred(ict(ion|ed|ions)?)?s?|yp|.*hat|decoded?|recon(struct(ion|ed)|struite?)?",
    "outputs": r"outputs?|sorties?|res(ult)?",
    "X": rf"(train(ing)?|b|batch|data)?(xs?|inp(uts?)?|in|entrees?|features?|samples?|examples?|images?|data){_OF_DATA}"
    r"(inputs?|x)?",
    "y": rf"(train(ing)?|b|batch|data)?(ys?|t|targ(et)?s?|labels?|outputs?|truth|expected|cibles?|verite){_OF_DATA}",
    "derivative": r"(loss|cost|error|objective)(fn|func|function)?(prime|deriv.*|grad.*|der|d)|d(loss|cost|error)",
    "delta": r".*delta.*|d|g|dout|grad(ient)?(out(put)?)?s?|(out(put)?)?grad(ient)?|errors?|erreurs?|dl|loss(grad|delta|back)",
    # what a network, an optimizer or a loop is made of
    "loss": r"(f|fct)?(loss|cost|criterion|objective|error)(f|fn|func|fonction|function|class|name|type)?|cout|critere|perte",
    "optimizer params": r"optim.*params?",
    "optimizer config": r"optim.*(config|args)",
    "optimizer": r"optim.*|opt|updaterule",
    "accuracy": r".*(accura|metric).*",
    "rate": r"(init(ial)?|base|cur(rent)?)?(lr|learning(rate|step))|eta|alpha|rate|stepsize|learn(rate|step)|"
    r"taux(de|d)?(apprentissage)?|pas|gradientstep",
    "momentum": r"momentum|mom|mu|beta|rho",
    "step": r"step|gradientstep|pas",
    "net": r"net|network|reseau|model|modele|sequen(tial|tiel)|modulelist|nn",
    "modules": r"modules?|layers?|couches?|listmodules?|seq(uence)?|args|(list|liste)(des)?(modules|couches|layers)|chain",
    "encoder": r"encod(er|eur|e)",
    "decoder": r"decod(er|eur|e)",
    # sizes of a network
    "every": r"(layers?|network)?(sizes?|dim(ension)?s?|shape|structure|architecture|widths?)|layers?(neurons|units|nodes)|"
    r"layersdims|layers?(sizelist|list)|sizelist",
    "hiddens": r"n?hid(den)?(size|dim|layer|unit|node|neuron|layersize|layerdim)?(s|list|slist)",
    "hidden": rf"{_NUMBER}(hid(den)?|(couche)?cache(e|s|es)?){_SIZE}|nh|h|nodes",
    "depth": r"(n|num|nb|number)(of)?(hidden)?layers?|hiddenlayernum",
    "dtype": r"dtype",
    "scale": r"(weights?|w|poids)?(init)?(scale|std|sigma|gain)|std(dev)?|facteur.*|ecarttype",
    # and of a layer, as in the handout
    "k_size": r"k|ks?ize|ksiz|(kernel|filter|window|pool)(size|shape)?|size|"
    r"((taille|longueur|largeur|hauteur)(de)?)?(noyau|filtre|fenetre)|"
    r"taille|[vh]size|(pool|filter|kernel|[pfk])(h|w|height|width)|(kernel|filt(er)?|pool(ing)?|window)(dim(ension)?s?|shape)",
    "volume": r"convolution(shape|dims?)",
    "chan_in": r"(num|n)(of)?kernelchannels|(num|number)ofchannels|"
    r"(nb|n|num)?(chan(nels?)?|canaux|c)(in|entree)|(in|input)(chan(nels?)?|canaux)|"
    r"(nb|n|nombre)?(de)?canaux(d?entree|entrants)|prev(ious)?(chan(nels?)?|filters?)|(num|number|n)(of)?(in|input)(ch|chan(nels?)?)|in(ch|c|depth)|inputdepth|depthin|"
    r"profondeur(d?entree)?",
    "side": r"(k|kernel|noyau|filtre)?(height|width|hauteur|largeur)(noyau|filtre|kernel)?",
    "chan_out": r"(nb|n|num)?(chan(nels?)?|canaux|c)(out|sortie)|(out|output)(chan(nels?)?|canaux)|"
    r"(nb|n|num|nombre)?(de)?filtres|(nb|n|num)filt(er|re)s?|(nb|n|nombre)?(de)?canaux(de)?sort(ie|ants)|(num|number|n)(of)?(out|output)(ch|chan(nels?)?)|out(ch|c|depth)|nc|"
    r"outputdepth|depth(out)?|profondeur(sortie)?|(nb|n|nombre)?(de)?noyaux|(num|number|n)?(of)?(filters|kernels)|filternum|numchannels",
    "stride": r"strides?(shape)?|s|pas|step|foulee|decalage|[vh]stride|(up|down)samplingfactor",
    "padding": r"pad(ding)?|p|remplissage|rembourrage",
    "input": rf"{_NUMBER}(in|inp|inputs?|entrees?){_SIZE}|nx?|d|i|din|shape(in|input)|fanin|xdim|features?in|infeature",
    "output": rf"{_NUMBER}(out|outp|outputs?|sorties?|class(es)?){_SIZE}|m|o|c|ny|dout|fanout|ydim|dprime|"
    r"features?out|outfeature|(nb?|num)?(neurone?s?|units|hid(den)?)|(nb?|num)?hid(den)?(dim(ension)?|size|units?|nodes?|neurons?|s)?|"
    r"shape(out|output)|d?(ff|feedforward)(dim|size|n)?|dimfeedforward|(n|d)?latent(dim|size|s)?|zdim|d[kv]",
    "features": r"(nb|num|n|nombre)?(de)?(features?|channels?|canaux)|dim(ension)?s?|size|d?model(dim|size)?|"
    r"d?emb(ed(ding)?)?(dims?|size)?|nembd?|(taille|dim)(du|de)?plongement",
    "heads": r"(num|n|nb|number)?(of)?(attention|attn)?heads?",
    "rows": r"(num|n|nb|nombre|taille)?(of|de|du)?(vocab(ulary|ulaire)?(size)?|embeddings|words|mots|tokens)|v",
    "length": r"(seq(uence)?|context)(len(gth)?|size)|(time|n)?steps|timesteps?|blocksize",
    "longest": r"max(imum)?(seq(uence)?)?(len(gth)?|size|positions?)",
    "threshold": r"threshold|seuil|tresh",
    "slope": r"alpha|slope|pente|negativeslope|leak",
    "drop": r"rate|p|prob(a|ability)?|dropout(rate)?|drop",
    "eps": r"eps(ilon)?",
    "seed": r"(random)?(seed|state)|graine|rng",
    "shape": r"(in|input|inp|image|img)(shape|dims?)|shape(in|input)?",
    "out_shape": r"(out|output|new|target)(shape|dims?)|shape(out|output)|(nouvelle)?forme((de)?sortie)?",
    "classes": r"(nb|n|num|number)?(of)?(class(e|es)?|categor(y|ies))",
    "range": r"(plage|range|intervalle?|bornes?|bounds?).*",
    "pair": r"(layer|weights?|w)?(dim(ension)?s|shape|sizes)",
    "activations": r"act(ivation)?(s|functions|fns|list)",
    "activation": r"(output|out|hidden)?(act|activation)(f|fn|fun|func|function)?|nonlinearity|func(tion)?|fonction",
    "init": r"(weights?|w|bias|b|kernel)?(init|initiali[sz]er)(fn|func|function)?",
}


@functools.cache
def _pattern(meaning: str) -> re.Pattern[str]:
    """The pattern of a meaning, compiled when it is first asked for: all of them at once would slow every import."""
    return re.compile(MEANINGS[meaning])


def meanings(name: str, among: Collection[str]) -> list[str]:
    """What an argument of this name may mean, of these meanings."""
    word = re.sub(r"[^a-z]", "", name.lower().replace("é", "e"))
    return [m for m in MEANINGS if m in among and _pattern(m).fullmatch(word)]


def meaning_of(name: str, among: Collection[str]) -> str:
    """The first of them; empty if it means nothing of that."""
    return next(iter(meanings(name, among)), "")


def derivative_among(names: Collection[str]) -> tuple[str, ...]:
    """Of some arguments, a function and its derivative, as (f, f_prime) or (activation, d_activation); else empty."""
    functions = [n for n in names if meaning_of(n, ("activation",)) or n.lower() in ("f", "fn", "g", "phi", "sigma")]
    prime = r"(d_?{0}|{0}_?(prime|p|d|der\w*|grad\w*|diff\w*|back\w*))"
    pairs = ((n, other) for n in functions for other in names if re.fullmatch(prime.format(re.escape(n)), other, re.I))
    return next(pairs, ())


def is_rate(name: str) -> bool:
    """Whether an argument or an attribute of this name is a learning rate."""
    return bool(meaning_of(name, ("rate",)))
