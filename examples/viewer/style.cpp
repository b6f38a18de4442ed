// The dark palette.
#include "style.h"

#include <QApplication>
#include <QPalette>
#include <QStyleFactory>

void setDarkStyle()
{
    QApplication::setStyle(QStyleFactory::create(QStringLiteral("Fusion")));
    QPalette palette;
    const QColor window(38, 41, 46), base(28, 30, 34), text(222, 226, 230), dim(125, 131, 140), accent(42, 120, 190);
    palette.setColor(QPalette::Window, window);
    palette.setColor(QPalette::Base, base);
    palette.setColor(QPalette::AlternateBase, window);
    palette.setColor(QPalette::Button, QColor(52, 56, 62));
    palette.setColor(QPalette::Mid, QColor(70, 75, 82));
    palette.setColor(QPalette::ToolTipBase, base);
    palette.setColor(QPalette::Highlight, accent);
    palette.setColor(QPalette::HighlightedText, Qt::white);
    palette.setColor(QPalette::Link, QColor(90, 170, 240));
    palette.setColor(QPalette::PlaceholderText, dim);
    for (QPalette::ColorRole role :
         {QPalette::WindowText, QPalette::Text, QPalette::ButtonText, QPalette::ToolTipText}) {
        palette.setColor(role, text);
        palette.setColor(QPalette::Disabled, role, dim);
    }
    QApplication::setPalette(palette);
}
