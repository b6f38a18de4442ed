// genseg-viewer: a program that labels medical images, trains a model on them, and predicts the rest.
#include "main_window.h"
#include "style.h"
#include "watchdog.h"

#include <QApplication>
#include <QCommandLineParser>
#include <cstdio>

int main(int argc, char **argv)
{
    QApplication application(argc, argv);
    QApplication::setApplicationName(QStringLiteral("genseg-viewer"));
    QApplication::setApplicationVersion(QString::fromUtf8(genseg_version()));
    setDarkStyle();
    QCommandLineParser parser;
    parser.setApplicationDescription(
        QStringLiteral("Labels medical images, trains a model on them, predicts the rest."));
    parser.addHelpOption();
    parser.addVersionOption();
    const QCommandLineOption model(QStringLiteral("model"), QStringLiteral("Load a model at the start."),
                                   QStringLiteral("FILE"));
    const QCommandLineOption memory(QStringLiteral("memory"), QStringLiteral("Most memory for libgenseg, in MB."),
                                    QStringLiteral("MB"));
    const QCommandLineOption watch(QStringLiteral("watchdog"),
                                   QStringLiteral("Print at the end how long the window was busy at most."));
    parser.addOptions({model, memory, watch});
    parser.addPositionalArgument(QStringLiteral("FILE|FOLDER"), QStringLiteral("Images, data sets."),
                                 QStringLiteral("[FILE|FOLDER]..."));
    parser.process(application);
    bool number = true;
    const uint64_t megabytes = parser.isSet(memory) ? parser.value(memory).toULongLong(&number) : 0;
    if (!number) {
        std::fprintf(stderr, "--memory %s: not a number\n", qPrintable(parser.value(memory)));
        return 2;
    }
    MainWindow window(megabytes * 1000000);
    window.show();
    if (parser.isSet(model))
        window.session().loadModel(parser.value(model));
    window.session().open(parser.positionalArguments());
    std::unique_ptr<Watchdog> watchdog;
    if (parser.isSet(watch))
        watchdog = std::make_unique<Watchdog>();
    const int result = QApplication::exec();
    if (watchdog)
        std::printf("longest time without an answer: %.1f ms, %.1f of its own\n", watchdog->longest(),
                    watchdog->longestOwn());
    return result;
}
